"""Early stops: ratios as logarithms by seed, and censored ones as bounds."""

import math
from dataclasses import astuple

import pytest

from lth.report.early_stop import censored_pairs, censored_seeds, evaluation_step, log_ratio_to_dense, means
from lth.report.intervals import Interval, min_max, over_seeds, t_interval
from lth.report.tables import RESULTS

FINAL = "final_test_accuracy"


def row(seed, level, arm, accuracy, **more):
    place = {"setting": "one", "seed": seed, "level": level, "arm": arm, "draw": 0, "status": "done"}
    return dict.fromkeys(RESULTS) | place | {"density": 0.5**level, FINAL: accuracy, "iterations": 1000} | more


def close(interval):
    return pytest.approx(astuple(interval)[:4], abs=1e-12)


def stop(seed, level, iteration, censored=False, arm="ticket", **more):
    return row(seed, level, arm, 0.9, early_stop_iteration=iteration, early_stop_censored=censored, **more)


def test_ratios_of_early_stops_are_logarithms_by_seed():
    rows = [stop(0, 0, 100), stop(1, 0, 400), stop(0, 1, 200), stop(1, 1, 200)]
    assert astuple(log_ratio_to_dense(rows, "ticket")[1][1])[:4] == close(t_interval([math.log(2), -math.log(2)]))


def test_an_early_stop_at_0_is_one_step_between_evaluations():
    rows = [stop(0, 0, 100), stop(0, 1, 0), stop(1, 0, 250), stop(1, 1, 0), stop(2, 1, 999, iterations=999)]
    assert evaluation_step(rows) == 50 and evaluation_step([stop(0, 0, 0)]) == evaluation_step([]) == 1
    expected = t_interval([math.log(50 / 100), math.log(50 / 250)])
    assert astuple(log_ratio_to_dense(rows, "ticket")[1][1])[:4] == close(expected)


def test_censored_seeds_are_counted_once():
    rows = [stop(0, 1, 990, True, "reinit"), stop(0, 1, 980, True, "reinit", draw=1), stop(1, 1, 10, arm="reinit")]
    assert censored_seeds([*rows, stop(0, 1, 990, True, status="diverged")]) == {(1, "reinit"): 1}


def test_dense_is_censored_only_for_the_seeds_compared():
    rows = [stop(0, 0, 990, True), stop(1, 0, 990, True), stop(0, 1, 10), stop(2, 1, 990, True)]
    assert censored_pairs(rows, 1) == ({2}, {0})


def test_the_mean_of_censored_early_stops_has_no_bounds():
    rows = [stop(0, 1, 100), stop(1, 1, 990, True), stop(2, 1, 110), *[stop(seed, 0, 100 + seed) for seed in range(3)]]
    for bars in (t_interval, min_max):
        found = means(rows, "ticket", "early_stop_iteration", bars)
        assert found[1][1] == Interval(400.0, None, None, 3, censored=1)
        assert found[0][1] == bars([100, 101, 102])
    assert found[1][1].map(lambda value: 2 * value) == Interval(800.0, None, None, 3, censored=1)
    assert over_seeds(rows, "ticket", FINAL)[1][1] == t_interval([0.9, 0.9, 0.9])


@pytest.mark.parametrize("late", [(), ((0, 1),), ((0, 0),), ((0, 1), (1, 0)), ((0, 1), (1, 1)), ((0, 0), (0, 1))])
def test_a_censored_stop_takes_the_bound_of_its_side_from_the_ratio(late):
    rows = [stop(seed, level, 100 + 10 * seed, (seed, level) in late) for seed in range(3) for level in (0, 1)]
    interval = log_ratio_to_dense(rows, "ticket")[1][1]
    assert (interval.high is None) == any(level == 1 for _, level in late)
    assert (interval.low is None) == any(level == 0 for _, level in late)
    assert interval.censored == len({seed for seed, _ in late})


@pytest.mark.parametrize("true_ratio", [0.5, 1.5, 4.0])
def test_the_bound_that_is_left_covers_what_longer_training_would_show(true_ratio):
    """Stops beyond the end of training are seen at the end; the one-sided bound still holds for the true ratio."""
    dense = [400, 500, 600]
    tickets = [round(true_ratio * stop * factor) for stop, factor in zip(dense, (0.9, 1, 1.1), strict=True)]
    rows = [stop(seed, 0, value) for seed, value in enumerate(dense)]
    rows += [stop(seed, 1, min(value, 1000), value > 1000) for seed, value in enumerate(tickets)]
    truth = [math.log(ticket / of_dense) for ticket, of_dense in zip(tickets, dense, strict=True)]
    interval = log_ratio_to_dense(rows, "ticket")[1][1]
    assert interval.low <= sum(truth) / 3 and (interval.high is None or interval.high >= sum(truth) / 3)


def test_equal_stops_leave_open_what_lies_between_two_evaluations():
    rows = [stop(seed, level, 1000 - 500 * level) for seed in range(3) for level in (0, 1)]
    interval = log_ratio_to_dense([*rows, stop(3, 2, 900, arm="reinit")], "ticket")[1][1]
    step = 100
    error = math.sqrt(step**2 / 12 * (1 / 1000**2 + 1 / 500**2) / 3)
    assert interval.high - interval.low == pytest.approx(2 * 1.959964 * error)
