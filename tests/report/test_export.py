"""The report's tables: what stands in them, for programs and for people."""

import csv
import io

import pytest
from rich.console import Console

from lth.report.differences import DIFFERENCES, difference_rows, difference_sheet
from lth.report.export import write_tables
from lth.report.summary import SUMMARY, SUMMARY_TABLE, summary_rows, summary_sheet
from lth.report.tables import RESULTS


def row(seed, level, arm, accuracy, stop=4000, censored=False, **more):
    about = {"experiment": "imp", "setting": "one", "data": "my_data", "model": "lenet", "schedule": "iterative"}
    values = {"early_stop_test_accuracy": accuracy, "final_test_accuracy": accuracy + 0.001}
    stops = {"early_stop_iteration": stop, "early_stop_censored": censored, "iterations": 10_000}
    place = {"seed": seed, "level": level, "arm": arm, "draw": 0, "status": "done", "density": 0.8**level}
    made = {"run": f"{seed} {level} {arm}", "test_examples": 10**8}
    return dict.fromkeys(RESULTS) | about | values | stops | place | made | more


OFF = (-0.0005, 0.0, 0.0005)
ROWS = [
    *[row(seed, 0, "ticket", 0.98) for seed in range(3)],
    *[row(seed, 1, "ticket", 0.981 + off, 2000) for seed, off in enumerate(OFF)],
    *[row(seed, 1, "reinit", 0.97 + off, 9900, seed > 0) for seed, off in enumerate(OFF)],
    row(3, 1, "reinit", 0.1, status="diverged"),
    *[row(seed, 1, "shuffle", 0.96 + 2 * off) for seed, off in enumerate(OFF)],
    *[row(seed, 2, "ticket", 0.981 + off, 2000) for seed, off in enumerate(OFF)],
]


def test_a_row_for_each_level_and_arm():
    rows = summary_rows(ROWS)
    assert all(list(row) == SUMMARY for row in rows)
    assert [(row["level"], row["arm"]) for row in rows] == [
        (0, "ticket"), (1, "ticket"), (1, "reinit"), (1, "shuffle"), (2, "ticket"),
    ]  # fmt: skip
    dense, ticket, reinit, *_ = rows
    assert dense["n"] == 3 and dense["verdict"] is None and dense["early_stop_test_accuracy_low"] == 0.98
    assert (ticket["matching"], ticket["verdict"], ticket["why"]) == ("yes", "winning", "")
    assert (reinit["n"], reinit["diverged"], reinit["early_stop_iteration_censored"]) == (3, 1, 2)
    assert (reinit["trainings"], reinit["failed"]) == (4, 1) and reinit["failure_rate_high"] == pytest.approx(
        0.8059, abs=1e-4
    )
    assert (ticket["margin"], ticket["slower"], ticket["against_dense"]) == (0.2, 1.1, "no worse")
    assert ticket["p_winning"] < 0.05 and ticket["p_winning_adjusted"] == ticket["p_winning"]  # one level has controls
    assert ticket["p_matching_adjusted"] == pytest.approx(2 * ticket["p_matching"])
    assert ticket["early_stop_test_accuracy_mean"] == pytest.approx(0.981)
    assert ticket["early_stop_test_accuracy_high"] == pytest.approx(0.981 + 4.302653 * 0.0005 / 3**0.5)


def test_the_papers_bars():
    ticket = summary_rows(ROWS, "minmax")[1]
    assert (ticket["bars"], ticket["early_stop_test_accuracy_low"]) == ("minmax", pytest.approx(0.9805))


def test_differences_are_in_points_and_ratios():
    rows = {(row["level"], row["second"], row["column"]): row for row in difference_rows(ROWS)}
    assert all(list(row) == DIFFERENCES for row in rows.values())
    reinit = rows[1, "reinit", "final_test_accuracy"]
    assert (reinit["n"], reinit["unit"], reinit["mean"]) == (3, "points", pytest.approx(1.1))
    ratio = rows[1, "dense", "early_stop_iteration"]
    assert (ratio["unit"], ratio["mean"], ratio["censored"]) == ("ratio", pytest.approx(0.5), 0)
    assert (2, "reinit", "final_test_accuracy") not in rows and (0, "dense", "final_test_accuracy") not in rows


def test_people_see_percent_bounds_and_lower_bounds():
    cells = summary_sheet("x", summary_rows(ROWS)).cells
    assert (
        cells[1][1:3] == ["80.0", "ticket"]
        and cells[1][4] == "98.10 [97.98, 98.22]"
        and cells[1][7] == "winning (within 0.2 points, 1.1 times)"
    )
    assert cells[2][3] == "3 (1 of 4 failed (1% to 81%))" and cells[2][6] == "≥ 9,900"
    assert cells[4][7] == "matching; undecided (within 0.2 points, 1.1 times): no reinit and shuffle to compare"
    shown = difference_sheet("x", difference_rows(ROWS)).cells
    assert ["1", "80.0", "ticket \N{MINUS SIGN} shuffle", "at early stop (points)"] in [cells[:4] for cells in shown]
    assert any(cells[5].startswith("+1.10 [") for cells in shown)


@pytest.mark.parametrize("bars", ["t", "minmax"])
def test_a_lower_bound_has_no_interval_in_any_table(tmp_path, bars):
    rows = summary_rows(ROWS, bars)
    write_tables(tmp_path, SUMMARY_TABLE, rows, [summary_sheet("x", rows)])
    with (tmp_path / "summary.csv").open() as file:
        [reinit] = [row for row in csv.DictReader(file) if row["arm"] == "reinit"]
    stop = [reinit[f"early_stop_iteration_{key}"] for key in ("mean", "low", "high", "censored")]
    assert stop == ["9900.0", "", "", "2"] and reinit["final_test_accuracy_low"]
    assert "| ≥ 9,900 |" in (tmp_path / "summary.md").read_text()
    assert r"& $\geq$ 9,900 &" in (tmp_path / "summary.tex").read_text()
    assert "≥: a lower bound" in (tmp_path / "summary.md").read_text().splitlines()[0]


@pytest.mark.parametrize("early", [True, False])
def test_people_see_it_on_80_columns_in_one_table(early):
    """The widest realistic rows: 12 seeds, trainings that diverged, the longest arm and verdict, four digits."""
    rows = [
        row(seed, level, "ticket", 0.9 + 0.001 * seed, 2000 + 7000 * level) for seed in range(12) for level in (0, 1)
    ]
    rows += [row(seed, 1, "reinit_plus", 0.5 + 0.03 * seed, 123_900) for seed in range(12)]
    rows += [row(12, 1, "reinit_plus", 0.1, status="diverged"), row(0, 1, "small_dense", 0.99)]
    rows = [x if early else x | {"early_stop_test_accuracy": None, "early_stop_iteration": None} for x in rows]
    console = Console(file=io.StringIO(), width=80)
    summary_sheet("mnist, lenet_300_100, iterative (0123456789)", summary_rows(rows)).print(console)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80 and sum("level" in line for line in lines) == 1
    (reinit,) = (line.split() for line in lines if "reinit_plus" in line)
    assert reinit[3] == "12*" and (any("matching; not winning" in line for line in lines) or not early)


def ratio(dense, ticket):
    """The ratio's row and cell where the seeds in `dense` and in `ticket` are censored."""
    rows = [row(seed, 0, "ticket", 0.9, 9900, seed in dense) for seed in range(3)]
    rows += [row(seed, 1, "ticket", 0.9, 4950 if seed else 9900, seed in ticket) for seed in range(3)]
    [found] = [x for x in difference_rows(rows) if x["unit"] == "ratio"]
    return found, difference_sheet("x", [found]).cells[0][5]


@pytest.mark.parametrize(
    ("dense", "ticket", "bound", "text"),
    [
        ((), (0,), "lower", "≥ 0.63 [0.23, ∞) (1 censored)"),
        ((0, 2), (), "upper", "≤ 0.63 (0, 1.70] (2 censored)"),
        ((0, 1), (0,), "neither", "\N{EN DASH} (2 censored)"),
    ],
)
def test_a_ratio_of_censored_early_stops_is_a_bound_of_its_side(dense, ticket, bound, text):
    found, shown = ratio(dense, ticket)
    assert (found["bound"], shown) == (bound, text)
    assert (found["low"] is not None, found["high"] is not None) == (bound == "lower", bound == "upper")
    assert (found["p"] is None) == (bound == "neither")


def test_a_ratio_of_early_stops_that_were_seen_has_its_interval():
    found, shown = ratio((), ())
    assert found["bound"] is None and found["low"] < found["mean"] < found["high"] and shown.startswith("0.63 [")


@pytest.mark.parametrize(("density", "text"), [(1.0, "100"), (0.8, "80.0"), (0.0868, "8.7"), (0.0052, "0.52")])
def test_densities_are_written_as_in_figures(density, text):
    rows = [x | {"density": density if x["level"] else 1.0} for x in ROWS]
    assert summary_sheet("x", summary_rows(rows)).cells[-1][1] == text
    assert difference_sheet("x", difference_rows(rows)).cells[-1][1] == text


def test_what_was_not_measured_is_a_dash():
    rows = [row | {"early_stop_test_accuracy": None, "early_stop_iteration": None} for row in ROWS]
    assert summary_sheet("x", summary_rows(rows)).cells[0][4:7] == [
        "\N{EN DASH}",
        "98.10 [98.10, 98.10]",
        "\N{EN DASH}",
    ]


def test_tables_are_written_alike_each_time(tmp_path):
    rows = summary_rows(ROWS)
    for folder in ("a", "b"):
        write_tables(tmp_path / folder, SUMMARY_TABLE, rows, [summary_sheet("my_data", rows)])
    for name in ("summary.csv", "summary.md", "summary.tex"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    with (tmp_path / "a" / "summary.csv").open() as file:
        assert [row["verdict"] for row in csv.DictReader(file)] == ["", "winning", "", "", "undecided"]
