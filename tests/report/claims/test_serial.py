"""Successive values that depend on each other are no independent values: blocks of them nearly are."""

import numpy as np
import pytest

from lth.report.claims.serial import autocorrelation_time, block_means
from lth.report.intervals import t_interval


def autoregressive(correlation, length, generator):
    """A stationary series of mean 0 whose values are correlated with the one before."""
    values = np.zeros(length + 100)
    for place, noise in enumerate(generator.normal(size=length + 100)):
        values[place] = (correlation * values[place - 1] if place else 0.0) + noise
    return values[100:]


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6])
def test_intervals_over_blocks_cover_the_mean(correlation):
    generator = np.random.default_rng(0)
    series = [autoregressive(correlation, 120, generator) for _ in range(300)]
    blocks, values = ([t_interval(list(f(x))) for x in series] for f in (block_means, list))
    covered, naive = (np.mean([x.low < 0 < x.high for x in found]) for found in (blocks, values))
    assert covered > 0.88 and (naive < 0.8 or correlation < 0.5)


def test_the_time_of_an_autoregressive_series():
    series = autoregressive(0.6, 20_000, np.random.default_rng(1))
    assert autocorrelation_time(series) == pytest.approx((1 + 0.6) / (1 - 0.6), rel=0.2)
    assert autocorrelation_time([1.0, 1.0, 1.0]) == 1.0


@pytest.mark.parametrize("length", [1, 2, 3, 7, 117])
def test_blocks_hold_every_value(length):
    series = list(np.linspace(0, 1, length))
    blocks = block_means(series)
    assert min(length, 3) <= len(blocks) <= length
    if length % len(blocks) == 0:
        assert np.mean(blocks) == pytest.approx(np.mean(series))
