"""Methods side by side over seeds: an interval for each, and none where settings or recipes differ."""

import io

import pytest
from lth.experiments.at_init.comparison import HEADS, compare, method_rows, method_sheet, unclear
from rich.console import Console

from lth.compression.tables import SEARCH
from lth.report.gather import Gathered
from lth.report.intervals import t_interval
from lth.report.sheet import MINUS

COSTS = {("s-imp", 13): [dict(zip(SEARCH, (13, 1300, 26.0, 1e12 * x, 26.0), strict=True)) for x in (1, 3)]}


def test_a_row_has_the_interval_of_a_method_and_what_its_search_took(make_rows):
    rows = method_rows(make_rows(), COSTS)
    assert [(row["method"], row["level"]) for row in rows[:3]] == [("dense", 0), ("imp", 7), ("imp", 13)]
    assert len(rows) == 1 + 3 * 7
    imp, lone = rows[2], rows[4]
    assert imp["n"] == 3 and imp["test_accuracy_mean"] == pytest.approx(0.9802)
    interval = t_interval([0.98, 0.9802, 0.9804])
    assert (imp["test_accuracy_low"], imp["test_accuracy_high"]) == pytest.approx((interval.low, interval.high))
    assert imp["shuffle_mean"] == pytest.approx(-1.0) and imp["search_flops"] == 2e12 and lone["search_flops"] is None
    (texts,) = [cells for cells in method_sheet("Methods", rows).cells if cells[:2] == ["imp", "5.5"]]
    assert texts[2:] == ["3", "98.02 ±0.05", *[f"{MINUS}1.00 ±0.00"] * 2, "26", "2", "26"]


def test_people_see_the_methods_on_80_columns(make_rows):
    rows = make_rows(seeds=12)
    rows[-1] |= {"status": "diverged", "final_test_accuracy": None}
    wide = [row | {"final_test_accuracy": row["final_test_accuracy"] and 0.5 + row["seed"] % 2 / 2} for row in rows]
    console = Console(file=io.StringIO(), width=80)
    method_sheet("Methods on mnist, lenet_300_100, 4,680 iterations", method_rows(wide, COSTS)).print(console)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80 and "…" not in "".join(lines)
    assert all(any(head in line for line in lines) for head in HEADS[:6])


def test_failed_trainings_are_counted_and_in_no_mean(make_rows):
    rows = make_rows(chance=0.5)
    for row in rows:
        if row["setting"] == "s-random" and row["level"] == 17 and row["arm"] == "ticket":
            row |= {"final_test_accuracy": 0.5}
    by_place = {(row["method"], row["level"]): row for row in method_rows(rows, {})}
    lost = by_place["random", 17]
    assert (lost["n"], lost["diverged"], lost["test_accuracy_mean"], lost["shuffle_mean"]) == (0, 3, None, None)
    assert by_place["random", 13]["n"] == 3
    (cells,) = [x for x in method_sheet("", method_rows(rows, {})).cells if x[:2] == ["random", "2.2"]]
    assert cells[2] == "0 (3 failed)"


def test_methods_are_compared_with_a_sentence_figures_and_a_table(make_rows):
    (comparison,) = compare(Gathered(make_rows(), {}, []), t_interval)
    assert comparison.about == "mnist, lenet_300_100, 100 iterations" and comparison.name == "methods"
    first, second, *_ = comparison.answer
    assert first == "mnist, lenet_300_100, 100 iterations:" and second.startswith("Test accuracy (%) at the end")
    assert len(comparison.rows) == 22 and [figure.name for figure in comparison.figures] == [
        "frankle2021_methods",
        "frankle2021_ablations",
    ]
    assert len(comparison.settings) == 7 and not comparison.notes


def test_lengths_of_training_are_compared_apart_and_one_method_with_nothing(make_rows):
    other = make_rows(methods=["imp", "snip"], iterations=50)
    assert [len(each.settings) for each in compare(Gathered([*make_rows(), *other], {}, []), t_interval)] == [7, 2]
    assert compare(Gathered(make_rows(methods=["imp"]), {}, []), t_interval) == []
    assert compare(Gathered(make_rows(experiment="imp"), {}, []), t_interval) == []


def test_methods_of_two_settings_or_recipes_are_not_set_side_by_side(make_rows):
    mixed = [*make_rows(), *make_rows(methods=["snip"], setting="other")]
    assert "snip has the settings other, s-snip" in unclear(mixed)
    assert "other recipes" in unclear([*make_rows(methods=["imp"]), *make_rows(methods=["snip"], run="x")])
    assert unclear(make_rows()) == ""
    (comparison,) = compare(Gathered(mixed, {}, []), t_interval)
    assert not (comparison.figures or comparison.answer or comparison.sheet or comparison.rows)
    (note,) = comparison.notes
    assert "are not set side by side" in note
