"""The seed is the unit of every interval."""

import math
from dataclasses import replace

import pytest
from scipy import stats

from lth.report.intervals import Interval, against_dense, min_max, over_seeds, paired, t_interval
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
        "test_examples": 10**8,  # so many that the error of the test set is nothing
        **more,
    }


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


def test_settings_are_never_averaged():
    with pytest.raises(ValueError, match="several settings"):
        over_seeds([row(0, 1, "ticket", 0.5), row(1, 1, "ticket", 0.5, setting="two")], "ticket", FINAL)


def test_differences_are_taken_within_a_seed():
    tickets = [row(seed, 2, "ticket", accuracy) for seed, accuracy in enumerate((0.5, 0.7, 0.9, 0.1))]
    controls = [row(seed, 2, "reinit", 0.4 + 0.2 * seed, draw=0) for seed in range(3)]
    controls += [row(seed, 2, "reinit", 0.2 + 0.2 * seed, draw=1) for seed in range(3)]  # means 0.3, 0.5, 0.7
    density, found = paired([*tickets, *controls], "ticket", "reinit", FINAL)[2]
    assert density == 0.25 and found.n == 3
    assert [found.mean, found.low, found.high] == pytest.approx([0.2, 0.2, 0.2], abs=1e-3)


def test_dense_is_level_0_of_the_same_seed():
    rows = [row(seed, 0, "ticket", 0.1 * seed) for seed in range(3)]
    rows += [row(seed, 3, "shuffle", 0.1 * seed + 0.05) for seed in range(4)]
    found = against_dense(rows, "shuffle", FINAL)
    assert list(found) == [3] and found[3][1].n == 3 and found[3][1].mean == pytest.approx(0.05)
    assert against_dense(rows, "ticket", FINAL) == {}


@pytest.mark.parametrize("n", [2, 3, 10])
@pytest.mark.parametrize("spread", [0.0, 0.001, 0.1])
@pytest.mark.parametrize("floor", [0.0, 0.002, 0.5])
def test_no_interval_is_narrower_than_its_floor_nor_than_students(n, spread, floor):
    values = [0.5 + spread * (seed % 2) for seed in range(n)]
    interval, students = t_interval(values, floor=floor), t_interval(values)
    half = (interval.high - interval.low) / 2
    assert half == pytest.approx(max((students.high - students.low) / 2, stats.norm.ppf(0.975) * floor))
    for bound in (interval.low, interval.high):
        p = interval.p_above(bound) if bound == interval.low else interval.p_below(bound)
        assert p == pytest.approx(0.05 if half else 1.0)


def test_a_p_is_that_of_students_test():
    values = [0.3, 0.5, 0.4, 0.8]
    interval = t_interval(values)
    assert interval.p_above(0.1) == pytest.approx(stats.ttest_1samp(values, 0.1, alternative="greater").pvalue * 2)
    assert interval.p_below(0.9) == pytest.approx(stats.ttest_1samp(values, 0.9, alternative="less").pvalue * 2)
    assert interval.p_above(0.9) == 1.0
    assert interval.times(100).p_above(10) == pytest.approx(interval.p_above(0.1))


def test_what_has_no_bound_on_a_side_has_no_p_there():
    bounded = replace(t_interval([1.0, 2.0, 4.0]), high=None)
    assert bounded.p_below(100.0) == 1.0 and bounded.p_above(-5.0) < 0.05
