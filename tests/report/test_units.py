"""The unit is a distinct training, and the error of the test set that all units share."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lth.report.correct import KEY, encoded
from lth.report.tables import RESULTS
from lth.report.units import (
    Unit,
    differences,
    distinct,
    distinct_seeds,
    examples_of,
    mcnemar,
    once,
    shared_error,
    units_of,
)

FINAL = "final_test_accuracy"


def unit(value, *runs, hits=None):
    return Unit(value, frozenset(runs), None if hits is None else np.asarray(hits, np.float32))


def row(seed, arm, right, draw=0, **more):
    """A row of results whose network gets the test examples `right` (bools) right."""
    right = np.asarray(right, bool)
    place = {"setting": "one", "seed": seed, "level": 1, "arm": arm, "draw": draw, "status": "done", "density": 0.5}
    made = {"run": f"{seed} {arm} {draw}", FINAL: float(right.mean()), "test_examples": len(right)}
    return dict.fromkeys(RESULTS) | place | made | {KEY: {"final": encoded(np.packbits(right).tobytes())}} | more


@given(st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=3), min_size=1, max_size=8))
def test_units_are_the_connected_groups_of_seeds_that_share_trainings(runs):
    units = [unit(float(place), *map(str, names)) for place, names in enumerate(runs)]
    merged = distinct(units)
    names = [group.runs for group in merged]
    assert frozenset().union(*names) == {str(name) for group in runs for name in group}
    assert all(not first & second for place, first in enumerate(names) for second in names[:place])
    for group in merged:
        inside = [one for one in units if one.runs <= group.runs]
        assert group.value == pytest.approx(sum(one.value for one in inside) / len(inside))
        assert len(distinct(inside)) == 1


def test_draws_of_one_training_count_once_within_a_seed():
    rows = [row(0, "reinit", [1, 1, 0, 0]), row(0, "reinit", [1, 0, 0, 0], draw=1)]
    assert units_of(rows, "reinit", FINAL)[1][0].value == pytest.approx(0.375)
    again = [*rows, rows[1] | {"draw": 2}]
    assert units_of(again, "reinit", FINAL)[1][0].value == pytest.approx(0.375)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=60))
def test_of_one_pair_the_error_is_that_of_mcnemar(pairs):
    first, second = (np.array(side, bool) for side in zip(*pairs, strict=True))
    rows = [row(0, "ticket", first), row(0, "reinit", second)]
    [pair] = differences(units_of(rows, "ticket", FINAL)[1], units_of(rows, "reinit", FINAL)[1])
    b, c, n = int((first & ~second).sum()), int((second & ~first).sum()), len(pairs)
    assert pair.value == pytest.approx((b - c) / n)
    assert shared_error([pair]) == pytest.approx(math.sqrt(b + c - (b - c) ** 2 / n) / n, abs=1e-6)
    assert mcnemar(pair) == pytest.approx(stats.binomtest(b, b + c).pvalue if b + c else 1.0)


def test_the_error_that_units_share_does_not_shrink_with_their_number():
    """The same examples decide for every seed: ten seeds know no more of the test set than one does."""
    right = [1] * 10 + [0] * 90
    one = [unit(0.1, "a", hits=right)]
    ten = [unit(0.1, str(seed), hits=right) for seed in range(10)]
    assert shared_error(ten) == pytest.approx(shared_error(one)) == pytest.approx(math.sqrt(0.1 * 0.9 / 100))


def test_errors_on_examples_of_their_own_average_out():
    hits = np.random.default_rng(0).choice([-1, 0, 1], (16, 4000))
    units = [unit(float(x.mean()), str(place), hits=x) for place, x in enumerate(hits)]
    assert shared_error(units) == pytest.approx(shared_error(units[:1]) / 4, rel=0.05)


def test_without_the_correct_examples_the_error_is_that_of_independent_accuracies():
    rows = [row(seed, arm, [1, 1, 1, 0]) | {KEY: {}} for seed in range(3) for arm in ("ticket", "reinit")]
    units = differences(units_of(rows, "ticket", FINAL)[1], units_of(rows, "reinit", FINAL)[1])
    assert shared_error(units) == pytest.approx(math.sqrt(2 * 0.75 * 0.25 / 4))
    known = [row(seed, arm, [1, 1, 1, 0]) for seed in range(3) for arm in ("ticket", "reinit")]
    paired_units = differences(units_of(known, "ticket", FINAL)[1], units_of(known, "reinit", FINAL)[1])
    assert shared_error(paired_units) == 0.0 and mcnemar(units[0]) is None


def test_other_columns_have_no_error_of_the_test_set():
    rows = [row(0, "ticket", [1, 0], early_stop_iteration=100)]
    assert shared_error(list(units_of(rows, "ticket", "early_stop_iteration")[1].values())) == 0.0


@pytest.mark.parametrize("examples", [10, 37, 2500, 10_000])
def test_the_size_of_the_test_set_follows_from_accuracies(examples):
    rows = [row(0, "ticket", [1]) | {"test_examples": None, FINAL: count / examples} for count in range(examples)]
    assert examples_of(rows) == examples
    assert examples_of([rows[0] | {"test_examples": 77}]) == 77
    assert examples_of([rows[0] | {FINAL: x} for x in (math.pi / 4, math.e / 3)]) is None
    assert examples_of([rows[0] | {FINAL: None}]) is None


def test_seeds_are_counted_by_their_trainings():
    rows = [row(seed, "ticket", [1, 0]) for seed in range(4)]
    assert distinct_seeds(rows) == 4
    assert distinct_seeds([x | {"run": "a"} if x["seed"] < 3 else x for x in rows]) == 2
    assert distinct_seeds([x | {"run": None} for x in rows]) == 4
    assert once([*rows, rows[1] | {"seed": 9}]) == rows
