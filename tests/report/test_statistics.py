"""Means over draws, the error of a difference, and how numbers are written."""

import math

import pytest

from lth.report.statistics import Draws, at, binomial_error, mean, over_draws, percent, short
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


def test_the_binomial_error_is_that_of_two_proportions():
    assert binomial_error(0.5, 0.5, 200) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("density", "text"), [(1.0, "100"), (0.9999, "100"), (0.5129, "51.3"), (0.01, "1.0"), (0.0052, "0.52")]
)
def test_percent_is_written_as_in_the_papers(density, text):
    assert percent(density) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0"), (0.0312, "0.031"), (2.44, "2.4"), (1773.2, "1,773")])
def test_seconds_have_two_digits_or_whole_ones(seconds, text):
    assert short(seconds) == text
