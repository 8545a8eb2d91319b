"""Methods at their table, sentence and figures, from made-up rows with known answers."""

import pytest
from lth.report.effects import effects, sentence
from lth.report.methods import TABLE, cells, compared, table_rows
from lth.report.papers.frankle2021 import draw_methods, look_of, sketch_ablations, sketch_methods
from lth.report.seeds.methods import method_rows, method_sheet, searches, unclear, write_methods

from lth.compression.search_cost import Pace, ScoreCost
from lth.compression.tables import SEARCH
from lth.core.errors import LotteryError
from lth.core.files import write_csv
from lth.pruning.methods import METHODS
from lth.report.comparison import Across
from lth.report.export import MINUS
from lth.report.gather import Gathered
from lth.report.intervals import t_interval
from lth.report.tables import RESULTS

PACE = Pace(1e6, 50)
SCORING = dict.fromkeys(METHODS) | {"snip": ScoreCost(0.02, 10**7, 0.25)}
LADDER = {0: 1.0, 7: 0.2097, 13: 0.055, 17: 0.0225}
ACCURACIES = {"imp": 0.98, "magnitude_after": 0.975, "snip": 0.97, "grasp": 0.969, "synflow": 0.971}
ACCURACIES |= {"magnitude": 0.968, "random": 0.95}
EFFECTS = {"imp": -0.01, "magnitude_after": -0.005}
"""What shuffling and new weights change a method's accuracy by; 0.001 where it is not named."""


def rows(seeds=3, methods=tuple(ACCURACIES), **changes):
    """A made-up reproduction in which the paper's claims hold."""
    made = []
    for method in methods:
        for seed in range(seeds):
            for level, density in (*LADDER.items(), *([(1, 0.8)] if method == "imp" else [])):
                for arm in ("ticket", "reinit", "shuffle") if level > 1 else ("ticket",):
                    accuracy = ACCURACIES[method] + 0.0002 * seed if level else 0.98
                    accuracy += EFFECTS.get(method, 0.001 + 0.0001 * seed) if arm != "ticket" else 0
                    about = {"experiment": "at_init", "setting": f"s-{method}", "data": "mnist", "seed": seed}
                    about |= {"model": "lenet_300_100", "level": level, "arm": arm, "draw": 0, "status": "done"}
                    about |= {"density": density, "weights_left": round(266_200 * density), "rewind": 0}
                    about |= {"schedule": METHODS[method].word(), "iterations": 100, "seconds": 2.0}
                    run = f"dense{seed}" if level == 0 else f"{method}{seed}{level}{arm}"
                    made.append(
                        dict.fromkeys(RESULTS) | about | {"final_test_accuracy": accuracy, "run": run} | changes
                    )
    return made


def test_only_levels_that_all_methods_have_are_compared():
    assert {row["level"] for row in compared(rows())} == set(LADDER)
    assert {row["level"] for row in compared(rows(methods=["imp"]))} == {*LADDER, 1}


def test_a_table_has_the_difference_to_the_mask_as_it_is_and_what_it_took():
    with pytest.raises(LotteryError, match="comes from level 2"):  # rows of imp that lack a level have no cost
        table_rows(rows(seeds=1), PACE, SCORING)
    found = table_rows(rows(seeds=1, methods=["magnitude_after", "snip"]), PACE, SCORING)
    assert [(row["method"], row["level"]) for row in found if row["arm"] == "ticket"] == [
        (method, level) for method in ("magnitude_after", "snip") for level in LADDER
    ]
    (reinit,) = [row for row in found if (row["method"], row["level"], row["arm"]) == ("snip", 13, "reinit")]
    assert reinit["difference"] == pytest.approx(0.001)
    searched = [reinit[f"search_{what}"] for what in ("trainings", "epochs", "flops", "seconds")]
    assert searched == [0, 0.02, 10**7, 0.25]  # of a score at initialisation: what taking it needs
    after = found[-20]
    assert (after["method"], after["search_iterations"], after["search_epochs"]) == ("magnitude_after", 0, 0)
    texts = cells(found, "-")
    assert [row[0] for row in texts] == ["dense", *["magnitude_after"] * 3, *["snip"] * 3]  # the dense network once
    assert texts[1][1:] == ["21.0%", "97.50", "-0.50", "-0.50", "1", "100", "0.0001", "2"]


def test_effects_are_means_over_densities_by_seed_and_need_three_seeds_for_a_verdict():
    found = effects(rows(), "reinit")
    assert found["imp"] == pytest.approx([-1.0] * 3) and found["snip"] == pytest.approx([0.1, 0.11, 0.12])
    one, three = sentence(rows(seeds=1), 10_000), sentence(rows())
    assert one.startswith("Test accuracy (%) at the end, with 2.2% of the weights: imp 98.00, magnitude_after")
    assert "One seed: no verdict" in one and "hurts" not in one and "snip +0.10" in one and "0.2" in one
    low, high = (getattr(t_interval([0.1, 0.11, 0.12]), end) for end in ("low", "high"))
    hurt = "Shuffling hurts imp -1.00 [-1.00, -1.00], magnitude_after -0.50 [-0.50, -0.50]; helps synflow +0.11"
    assert hurt in three and f"snip +0.11 [{low:+.2f}, {high:+.2f}]" in three and "no verdict" not in three
    alone = sentence([row for row in rows(methods=["snip"]) if row["arm"] == "ticket"])
    assert "snip 97.02 (dense 98.00)" in alone and "huffling" not in alone


def test_figures_show_every_method_and_every_ablation(tmp_path):
    drawn = draw_methods(tmp_path, rows())
    assert [figure.name for figure in drawn] == ["frankle2021_methods", "frankle2021_ablations"]
    assert all(figure.path.exists() and figure.path.with_suffix(".pdf").exists() for figure in drawn)
    assert all(method in drawn[0].caption and method in drawn[1].alt for method in ACCURACIES)
    fallen = [row | ({"final_test_accuracy": 0.4} if row["schedule"] == "random_at_init" else {}) for row in rows()]
    for sketch in (sketch_methods(fallen), sketch_ablations(fallen)):
        assert sketch is not None and "random goes on below" in sketch.caption
        low, high = sketch.figure.axes[0].get_ylim()
        assert 90 < low < 96.8 and 98 < high <= 100.1  # it does not press the others into one line
    within = sketch_methods(rows(methods=["imp", "snip"]))
    assert within is not None and "goes on below" not in within.caption
    assert "n = 3" in drawn[0].caption and "95% t intervals" in drawn[1].caption
    looks = [look_of(method) for method in METHODS]
    assert len({look.colour for look in looks}) == len({look.marker for look in looks}) == len(METHODS)


def test_figures_need_something_to_show():
    dense = [row for row in rows() if row["level"] == 0]
    assert sketch_methods(dense) is None and sketch_ablations(dense) is None
    assert sketch_ablations([row for row in rows() if row["arm"] == "ticket"]) is None


def test_methods_of_two_settings_or_recipes_are_not_set_side_by_side(tmp_path):
    mixed = [*rows(), *rows(methods=["snip"], setting="other")]
    assert "snip has the settings other, s-snip" in unclear(mixed)
    assert "other recipes" in unclear([*rows(methods=["imp"]), *rows(methods=["snip"], run="x")])
    assert unclear(rows()) == ""
    found = Across()
    write_methods(tmp_path, Gathered(mixed, {}, []), t_interval, found)
    assert not found.figures + found.says + found.sheets and "are not set side by side" in found.notes[0]


def test_what_searches_took_is_read_of_their_tables_alone(tmp_path):
    for name, columns in (("flow", ["form"]), ("early", TABLE), ("late", TABLE)):
        seconds = {"early": 1, "late": 2}.get(name)
        row = {"form": "x", "setting": "s", "seed": 0, "level": 1, "search_seconds": seconds}
        write_csv(tmp_path / name / "table.csv", columns, [{column: row.get(column) for column in columns}])
    found = searches([tmp_path / name for name in ("nothing", "flow", "early", "late")])
    assert [row["search_seconds"] for row in found["s", 1]] == [2] and list(found) == [("s", 1)]


def test_a_report_has_the_interval_of_every_method_and_what_its_search_took():
    costs = {("s-imp", 13): [dict(zip(SEARCH, (13, 1300, 26.0, 1e12 * x, 26.0), strict=True)) for x in (1, 3)]}
    found = method_rows(rows(), costs)
    assert [(row["method"], row["level"]) for row in found[:3]] == [("dense", 0), ("imp", 7), ("imp", 13)]
    assert len(found) == 1 + 3 * len(ACCURACIES)
    imp, lone = found[2], found[4]
    assert imp["n"] == 3 and imp["test_accuracy_mean"] == pytest.approx(0.9802)
    seen = t_interval([0.98, 0.9802, 0.9804])
    assert (imp["test_accuracy_low"], imp["test_accuracy_high"]) == pytest.approx((seen.low, seen.high))
    assert imp["shuffle_mean"] == pytest.approx(-1.0) and imp["search_flops"] == 2e12 and lone["search_flops"] is None
    (texts, *_) = [cells for cells in method_sheet("Methods", found).cells if cells[:2] == ["imp", "5.5"]]
    assert texts[2:] == ["3", "98.02 ±0.05", *[f"{MINUS}1.00 ±0.00"] * 2, "26", "2", "26"]
