"""What is known of a value follows it: its error on the test set, its trainings, and the side that is open."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lth.report.claims.values import Estimate, derived, geometric_mean, mean_of, paired, scaled
from lth.report.units import shared_error

N = 200
SHARES = st.lists(st.booleans(), min_size=N, max_size=N).map(np.array)


def of_hits(hits, run="r"):
    return Estimate.of_test_set(float(hits.mean()), len(hits), hits, frozenset([run]))


@settings(max_examples=25, deadline=None)
@given(SHARES, SHARES)
def test_the_error_of_a_difference_is_mcnemars_where_hits_are_known(first, second):
    difference = derived(lambda x, y: x - y, of_hits(first, "a"), of_hits(second, "b"))
    b, c = (first & ~second).sum(), (second & ~first).sum()
    assert difference == pytest.approx((b - c) / N) and difference.runs == {"a", "b"}
    assert shared_error([difference.unit]) == pytest.approx(math.sqrt(b + c - (b - c) ** 2 / N) / N, rel=1e-3, abs=1e-7)


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_without_hits_accuracies_count_as_independent(first, second):
    sides = [Estimate.of_test_set(share, N) for share in (first, second)]
    expected = math.sqrt((first * (1 - first) + second * (1 - second)) / N)
    assert derived(lambda x, y: x - y, *sides).error == pytest.approx(expected, rel=1e-4)
    assert Estimate.of_test_set(first, None).error == 0


def test_the_error_of_a_ratio_is_that_of_its_logarithm():
    sides = [Estimate.of_test_set(share, 10_000) for share in (0.02, 0.05)]
    ratio = derived(lambda x, y: math.log(x / y), *sides)
    assert ratio.error == pytest.approx(math.hypot(*(share.error / share for share in sides)), rel=1e-3)


def test_errors_on_one_test_set_do_not_average_out():
    shares = [Estimate.of_test_set(0.9, N) for _ in range(4)]
    assert mean_of(shares).error == pytest.approx(shares[0].error)
    steps = [Estimate(100.0, resolution=3.0) for _ in range(4)]
    assert mean_of(steps).resolution == pytest.approx(1.5)  # seeds do not share them
    hits = np.arange(N) < N // 2
    opposite = mean_of([of_hits(hits), of_hits(~hits)])
    assert opposite == 0.5 and shared_error([opposite.unit]) == pytest.approx(0)


@pytest.mark.parametrize(
    ("combine", "above", "below"),
    [
        (lambda x, y: x - y, True, False),
        (lambda x, y: y - x, False, True),
        (lambda x, y: 100 * (1 - x / y), False, True),
        (lambda x, y: y / x, False, True),
        (lambda x, y: y, False, False),
    ],
)
def test_a_bound_stays_a_bound_of_what_it_is_computed_into(combine, above, below):
    late, other = Estimate(990.0, above=True), Estimate(500.0)
    found = derived(combine, late, other)
    assert (found.above, found.below) == (above, below)
    both = derived(combine, late, Estimate(500.0, above=True))
    assert combine(2.0, 3.0) == 3.0 or both.above == both.below is True


def test_pairs_and_scales_keep_what_is_known():
    first = {1: {(0, 0): Estimate(3.0, frozenset("a"), error=0.1), (1, 0): Estimate(1.0)}}
    second = {1: {(0, 0): Estimate(1.0, frozenset("b"), error=0.1)}}
    found = paired(first, second, lambda x, y: x - y)[1]
    assert found == {(0, 0): 2.0} and found[0, 0].runs == {"a", "b"}
    assert scaled({1: found}, -10)[1][0, 0].error == pytest.approx(10 * math.hypot(0.1, 0.1))
    assert paired(first, second, lambda x, y: None) == {}


def test_plain_numbers_are_values_of_which_nothing_is_known():
    found = derived(lambda x, y: x + y, 1.0, Estimate(2.0))
    assert found == 3.0 and not found.uncertain and found.runs == frozenset()


def test_an_estimate_can_be_copied():
    share = Estimate.of_test_set(0.5, 4, np.array([True, False, True, False]), frozenset("a"))
    copy = pickle.loads(pickle.dumps(share))
    assert (copy, copy.runs, copy.error) == (share, share.runs, share.error) and (copy.effects == share.effects).all()


def test_geometric_means_of_what_has_no_logarithm():
    assert geometric_mean([2.0, 8.0]) == pytest.approx(4.0) and geometric_mean([0.0, 8.0]) == 0.0
    assert math.isnan(geometric_mean([-1.0, 8.0]))
