"""What one seed says: differences, their error, and no verdict."""

import math

import pytest

from lth.report.statistics import Draws, at, binomial_error, differences, mean, over_draws, sentence
from lth.report.tables import RESULTS


def row(level, arm, accuracy, draw=0, density=None, **more):
    return {
        **dict.fromkeys(RESULTS),
        "level": level,
        "arm": arm,
        "draw": draw,
        "status": "done",
        "density": 0.5**level if density is None else density,
        "early_stop_test_accuracy": accuracy,
        "final_test_accuracy": accuracy,
        **more,
    }


ROWS = [
    row(0, "ticket", 0.9),
    *[row(level, "ticket", 0.9) for level in (1, 2, 3, 4)],
    *[row(level, "reinit", accuracy) for level, accuracy in ((1, 0.1), (2, 0.1), (3, 0.8), (4, 0.6))],
]


def test_the_mean_is_over_what_was_measured():
    assert mean([1.0, None, 3.0]) == 2.0 and mean([None]) is None and mean([]) is None


def test_draws_are_averaged_within_a_level():
    rows = [row(1, "reinit", 0.5, draw=0), row(1, "reinit", 0.7, draw=1), row(2, "reinit", 0.1)]
    assert at(rows, 1, "reinit", "final_test_accuracy") == pytest.approx(0.6)


def test_draws_are_summed_up_in_one_place():
    rows = [
        row(1, "reinit", accuracy, early_stop_iteration=100, early_stop_censored=accuracy is None)
        for accuracy in (0.5, 0.7, None, math.nan)
    ]
    assert over_draws(rows, "final_test_accuracy", 100) == Draws(pytest.approx(60), 50, 70, 2)
    assert over_draws(rows, "early_stop_iteration") == Draws(100, 100, 100, 4, censored=True)
    assert over_draws(rows[2:], "final_test_accuracy") is None and over_draws([], "final_test_accuracy") is None
    assert at(rows, 1, "reinit", "final_test_accuracy") == pytest.approx(0.6)


def test_differences_are_over_the_levels_at_15_percent_and_below():
    (found,) = differences(ROWS, 1_000)
    assert found.control == "reinit" and found.levels == (3, 4)
    assert found.mean == pytest.approx(0.9 - 0.7)
    assert found.error == pytest.approx(math.sqrt((0.9 * 0.1 + 0.7 * 0.3) / 1_000))


def test_where_no_level_is_sparse_the_sparsest_is_compared():
    (found,) = differences(ROWS[:3] + ROWS[5:7], 100)
    assert found.levels == (2,) and found.mean == pytest.approx(0.8)


def test_a_level_that_an_arm_does_not_have_is_left_out():
    rows = [*ROWS, row(5, "ticket", 0.9)]
    assert differences(rows, 100)[0].levels == (3, 4)
    assert differences([row(0, "ticket", 0.9)], 100) == []


def test_the_binomial_error_is_that_of_two_proportions():
    assert binomial_error(0.5, 0.5, 200) == pytest.approx(0.05)


def test_one_seed_gives_no_verdict_and_the_command_for_five():
    text = sentence(ROWS, 1_000, "lth imp -m seed=0,1,2,3,4")
    assert "+20.0 ± 1.7 points against reinit" in text and "1,000 test examples" in text and "12.5%" in text
    assert text.endswith("One seed: no verdict. For five: lth imp -m seed=0,1,2,3,4")


def test_a_diverged_arm_is_named():
    rows = [row(0, "ticket", None, status="diverged")]
    assert sentence(rows, 10, "x").startswith("Diverged: ticket at level 0.")


def test_without_early_stops_the_final_accuracy_is_compared():
    rows = [{**row, "early_stop_test_accuracy": None} for row in ROWS]
    assert differences(rows, 100)[0].mean == pytest.approx(0.2)
