"""The table of methods: what each gives, what its ablations change, and what finding its masks took."""

import io

import pytest
from lth.experiments.at_init.methods import NARROW, cells, compared, sheets, table_rows
from rich.console import Console

from lth.compression.search_cost import Pace, ScoreCost
from lth.core.errors import LotteryError
from lth.pruning.methods import METHODS, method_of
from lth.report.results import Results
from lth.report.sheet import DASH

PACE = Pace(1e6, 50)
SCORING = dict.fromkeys(METHODS) | {"snip": ScoreCost(0.02, 10**7, 0.25)}
LEVELS = (0, 7, 13, 17)


def test_only_levels_that_all_methods_have_are_compared(make_rows):
    assert {row["level"] for row in compared(make_rows())} == set(LEVELS)
    assert {row["level"] for row in compared(make_rows(methods=["imp"]))} == {*LEVELS, 1}
    assert compared([]) == []


def test_a_table_has_the_difference_to_the_mask_as_it_is_and_what_it_took(make_rows):
    with pytest.raises(LotteryError, match="comes from level 2"):  # rows of imp that lack a level have no cost
        table_rows(make_rows(seeds=1), PACE, SCORING)
    rows = table_rows(make_rows(seeds=1, methods=["magnitude_after", "snip"]), PACE, SCORING)
    assert [(row["method"], row["level"]) for row in rows if row["arm"] == "ticket"] == [
        (method, level) for method in ("magnitude_after", "snip") for level in LEVELS
    ]
    (reinit,) = [row for row in rows if (row["method"], row["level"], row["arm"]) == ("snip", 13, "reinit")]
    assert reinit["difference"] == pytest.approx(0.001)
    searched = [reinit[f"search_{what}"] for what in ("trainings", "epochs", "flops", "seconds")]
    assert searched == [0, 0.02, 10**7, 0.25]  # of a score at initialisation: what taking it needs
    after = rows[-20]
    assert (after["method"], after["search_iterations"], after["search_epochs"]) == ("magnitude_after", 0, 0)
    texts = cells(rows)
    assert [row[0] for row in texts] == ["dense", *["magnitude_after"] * 3, *["snip"] * 3]  # the dense network once
    assert texts[0][1:5] == ["100%", "98.00", DASH, DASH]
    assert texts[1][1:] == ["21.0%", "97.50", "-0.50", "-0.50", "1", "100", "0.0001", "2"]


def test_draws_are_averaged_and_those_that_diverged_counted(make_rows):
    rows = make_rows(seeds=1, methods=["snip"])
    reinit = next(row for row in rows if (row["level"], row["arm"]) == (13, "reinit"))
    rows += [reinit | {"draw": 1, "final_test_accuracy": 0.961}]
    rows += [reinit | {"draw": 2, "final_test_accuracy": None, "status": "diverged"}]
    (made,) = [row for row in table_rows(rows, PACE, SCORING) if (row["level"], row["arm"]) == (13, "reinit")]
    assert (made["draws"], made["diverged"]) == (2, 1)
    assert made["test_accuracy"] == pytest.approx(0.966) and made["test_accuracy_std"] == pytest.approx(0.005 * 2**0.5)


def test_people_see_it_on_80_columns_with_every_method_explained(make_rows):
    results = make_rows(seeds=1, methods=["magnitude_after", "snip"])
    (sheet,) = sheets(Results({"results": results, "table": table_rows(results, PACE, SCORING)}))
    console = Console(file=io.StringIO(), width=80)
    sheet.print(console)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80 and [line.split() for line in lines if "method " in line] == [list(NARROW)]
    assert list(sheet.legend) == ["magnitude_after", "snip", "ticket", "reinit", "shuffle"]


def test_every_method_has_a_word_of_its_own():
    assert {method_of(method.word()) for method in METHODS.values()} == set(METHODS)
