"""The seed is the unit of every interval."""

import math
from dataclasses import astuple

import pytest
from scipy import stats

from lth.report.intervals import (
    Interval,
    against_dense,
    censored_pairs,
    censored_seeds,
    evaluation_step,
    log_ratio_to_dense,
    min_max,
    over_seeds,
    paired,
    t_interval,
)
from lth.report.tables import RESULTS

FINAL = "final_test_accuracy"


def row(seed, level, arm, accuracy, draw=0, **more):
    return {
        **dict.fromkeys(RESULTS),
        "setting": "one",
        "seed": seed,
        "level": level,
        "arm": arm,
        "draw": draw,
        "status": "done",
        "density": 0.5**level,
        FINAL: accuracy,
        "iterations": 1000,
        **more,
    }


def close(interval):
    return pytest.approx(astuple(interval), abs=1e-12)


def test_the_t_interval_is_scipys():
    values = [0.91, 0.94, 0.9, 0.93, 0.95]
    found = t_interval(values)
    low, high = stats.t.interval(0.95, 4, loc=found.mean, scale=stats.sem(values))
    assert (found.low, found.high, found.n) == (pytest.approx(low), pytest.approx(high), 5)


def test_the_t_interval_by_hand():
    # mean 2, s = 1, t(0.975, 2) = 4.302653 by the table: half a width of 4.302653 / sqrt(3)
    found = t_interval([1.0, 2.0, 3.0])
    assert found.mean == 2.0 and found.high == pytest.approx(2 + 4.302653 / math.sqrt(3), abs=1e-6)
    assert t_interval([1.0, 2.0, 3.0], confidence=0.5).high < found.high


def test_bounds_of_equal_values_one_value_and_extremes():
    assert t_interval([0.5, 0.5, 0.5]) == Interval(0.5, 0.5, 0.5, 3)
    assert t_interval([0.5]) == min_max([0.5]) == Interval(0.5, None, None, 1)
    assert min_max([0.2, 0.6, 0.1]) == Interval(pytest.approx(0.3), 0.1, 0.6, 3)
    assert Interval(1.0, None, 2.0, 3).map(lambda value: 100 * value) == Interval(100.0, None, 200.0, 3)


def test_draws_are_averaged_within_a_seed():
    rows = [row(0, 1, "reinit", 0.4, draw=0), row(0, 1, "reinit", 0.6, draw=1), row(1, 1, "reinit", 0.7)]
    assert over_seeds(rows, "reinit", FINAL) == {1: (0.5, t_interval([0.5, 0.7]))}
    assert over_seeds(rows, "reinit", FINAL, min_max)[1][1].low == 0.5
    assert over_seeds(rows, "shuffle", FINAL) == {}


def test_diverged_and_unmeasured_trainings_are_left_out():
    rows = [
        row(0, 1, "ticket", 0.5),
        row(1, 1, "ticket", 0.1, status="diverged"),
        row(2, 1, "ticket", None),
        row(3, 1, "ticket", math.nan),
        row(4, 1, "ticket", 0.7),
    ]
    assert over_seeds(rows, "ticket", FINAL) == {1: (0.5, t_interval([0.5, 0.7]))}


def test_the_mean_of_censored_early_stops_has_no_bounds():
    rows = [stop(0, 1, 100), stop(1, 1, 990, True), stop(2, 1, 110), *[stop(seed, 0, 100 + seed) for seed in range(3)]]
    for bars in (t_interval, min_max):
        found = over_seeds(rows, "ticket", "early_stop_iteration", bars)
        assert found[1][1] == Interval(400.0, None, None, 3, censored=1)
        assert found[0][1] == bars([100, 101, 102])
    assert found[1][1].map(lambda value: 2 * value) == Interval(800.0, None, None, 3, censored=1)
    assert over_seeds(rows, "ticket", FINAL)[1][1] == t_interval([0.9, 0.9, 0.9])


def test_settings_are_never_averaged():
    with pytest.raises(ValueError, match="several settings"):
        over_seeds([row(0, 1, "ticket", 0.5), row(1, 1, "ticket", 0.5, setting="two")], "ticket", FINAL)


def test_differences_are_taken_within_a_seed():
    tickets = [row(seed, 2, "ticket", accuracy) for seed, accuracy in enumerate((0.5, 0.7, 0.9, 0.1))]
    controls = [row(seed, 2, "reinit", 0.4 + 0.2 * seed, draw=0) for seed in range(3)]
    controls += [row(seed, 2, "reinit", 0.2 + 0.2 * seed, draw=1) for seed in range(3)]  # means 0.3, 0.5, 0.7
    density, found = paired([*tickets, *controls], "ticket", "reinit", FINAL)[2]
    assert density == 0.25 and found.n == 3
    assert (found.mean, found.low, found.high) == (pytest.approx(0.2), pytest.approx(0.2), pytest.approx(0.2))


def test_dense_is_level_0_of_the_same_seed():
    rows = [row(seed, 0, "ticket", 0.1 * seed) for seed in range(3)]
    rows += [row(seed, 3, "shuffle", 0.1 * seed + 0.05) for seed in range(4)]
    found = against_dense(rows, "shuffle", FINAL)
    assert list(found) == [3] and found[3][1].n == 3 and found[3][1].mean == pytest.approx(0.05)
    assert against_dense(rows, "ticket", FINAL) == {}


def stop(seed, level, iteration, censored=False, arm="ticket", **more):
    return row(seed, level, arm, 0.9, early_stop_iteration=iteration, early_stop_censored=censored, **more)


def test_ratios_of_early_stops_are_logarithms_by_seed():
    rows = [stop(0, 0, 100), stop(1, 0, 400), stop(0, 1, 200), stop(1, 1, 200)]
    assert astuple(log_ratio_to_dense(rows, "ticket")[1][1]) == close(t_interval([math.log(2), -math.log(2)]))


def test_an_early_stop_at_0_is_one_step_between_evaluations():
    rows = [stop(0, 0, 100), stop(0, 1, 0), stop(1, 0, 250), stop(1, 1, 0), stop(2, 1, 999, iterations=999)]
    assert evaluation_step(rows) == 50 and evaluation_step([stop(0, 0, 0)]) == evaluation_step([]) == 1
    expected = t_interval([math.log(50 / 100), math.log(50 / 250)])
    assert astuple(log_ratio_to_dense(rows, "ticket")[1][1]) == close(expected)


def test_censored_seeds_are_counted_once():
    rows = [stop(0, 1, 990, True, "reinit"), stop(0, 1, 980, True, "reinit", draw=1), stop(1, 1, 10, arm="reinit")]
    assert censored_seeds([*rows, stop(0, 1, 990, True, status="diverged")]) == {(1, "reinit"): 1}


def test_dense_is_censored_only_for_the_seeds_compared():
    rows = [stop(0, 0, 990, True), stop(1, 0, 990, True), stop(0, 1, 10), stop(2, 1, 990, True)]
    assert censored_pairs(rows, 1) == ({2}, {0})
