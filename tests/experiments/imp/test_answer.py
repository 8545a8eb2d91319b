"""What one seed says: differences, their error, and no verdict."""

import math

import numpy as np
import pytest
from lth.experiments.imp.answer import answer, compared, differences, searched

from lth.report.correct import KEY, encoded
from lth.report.results import Results
from lth.report.tables import RESULTS


def row(level, arm, accuracy, **more):
    return {
        **dict.fromkeys(RESULTS),
        "level": level,
        "arm": arm,
        "draw": 0,
        "status": "done",
        "density": 0.5**level,
        "early_stop_test_accuracy": accuracy,
        "final_test_accuracy": accuracy,
        "test_examples": 1_000,
        **more,
    }


ROWS = [
    row(0, "ticket", 0.9),
    *[row(level, "ticket", 0.9) for level in (1, 2, 3, 4)],
    *[row(level, "reinit", accuracy) for level, accuracy in ((1, 0.1), (2, 0.1), (3, 0.8), (4, 0.6))],
]
SEARCH = {"search_trainings": 4, "search_iterations": 8000, "search_epochs": 12.345, "search_flops": 3.1e12}
SEARCH |= {"search_seconds": 61.2, "level": 4, "density": 0.0625}


def test_differences_are_over_the_levels_at_15_percent_and_below():
    (found,) = differences(ROWS)
    assert found.control == "reinit" and found.levels == (3, 4)
    assert found.mean == pytest.approx(0.9 - 0.7)
    assert found.error == pytest.approx(math.sqrt((0.9 * 0.1 + (0.8 * 0.2 + 0.6 * 0.4) / 2) / 1_000))


def test_levels_that_get_the_same_examples_right_leave_the_error_of_one():
    """What one level shows by chance of the test set, the others show too: more levels do not make it smaller."""
    right = np.arange(1_000) % 10 > 0
    cells = {KEY: {"early_stop": encoded(np.packbits(right).tobytes())}}
    wrong = {KEY: {"early_stop": encoded(np.packbits(np.roll(right, 1)).tobytes())}}
    rows = [row(level, arm, 0.9, **x) for level in (3, 4) for arm, x in (("ticket", cells), ("reinit", wrong))]
    (both,), (one,) = differences(rows), differences(rows[:2])
    assert both.error == pytest.approx(one.error) == pytest.approx(math.sqrt(0.2 / 1_000))


def test_where_no_level_is_sparse_the_sparsest_is_compared():
    (found,) = differences(ROWS[:3] + ROWS[5:7])
    assert found.levels == (2,) and found.mean == pytest.approx(0.8)


def test_a_level_that_an_arm_does_not_have_is_left_out():
    rows = [*ROWS, row(5, "ticket", 0.9)]
    assert differences(rows)[0].levels == (3, 4)
    assert differences([row(0, "ticket", 0.9)]) == [] and compared([row(0, "ticket", 0.9)], 100) == ""


def test_without_early_stops_the_final_accuracy_is_compared():
    rows = [{**row, "early_stop_test_accuracy": None} for row in ROWS]
    assert differences(rows)[0].mean == pytest.approx(0.2)


def test_one_seed_gives_no_verdict_and_the_command_for_five():
    told = answer(Results({"results": ROWS, "search": [SEARCH]}, None, {"test": 1_000}, "lth imp -m seed=0,1,2,3,4"))
    text = " ".join(told)
    assert "+20.0 ± 3.3 points against reinit" in text and "1,000 test examples" in text and "12.5%" in text
    assert "Finding the last ticket (6.2%) took 4 trainings: 12.3 epochs, 3.1 TFLOPs, 61 s." in text
    assert told[-1] == "One seed gives no verdict. For five seeds run: lth imp -m seed=0,1,2,3,4"


def test_a_diverged_arm_is_named():
    rows = [row(0, "ticket", None, status="diverged")]
    told = answer(Results({"results": rows, "search": []}, None, {"test": 10}, "x"))
    assert told[0] == "These trainings diverged: ticket at level 0."


def test_a_search_that_took_nothing_or_is_not_known_is_not_told():
    assert searched([]) == "" == searched([SEARCH | {"search_flops": 0}])
    assert "took 1 training:" in searched([SEARCH | {"search_trainings": 1}])
