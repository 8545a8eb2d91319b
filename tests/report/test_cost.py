"""What to think of latencies: when they are called disturbed, and what masked counts as."""

import pytest

from lth.report.cost import noise_sentence, times_faster


@pytest.fixture
def costs():
    """The latencies of a dense network and of two forms at two batch sizes, with quartiles at the median."""
    timed = {f"batch_{size}_{what}": 1e-4 for size in (1, 64) for what in ("seconds", "low", "high")}
    speeds = {"dense": 1.0, "masked": 1.0, "csr": 1.5}
    return [
        {"form": form, "runs_as": form, **timed, "batch_1_speedup": speed, "batch_64_speedup": speed + 0.1}
        for form, speed in speeds.items()
        for _ in range(4)
    ]


def test_timing_is_called_disturbed_by_half_of_it_or_by_the_control(costs):
    """One row of many with far quartiles is no reason; the control that is off by itself is."""

    def spread(rows, share):
        return [row | {"batch_1_low": 1e-4 * (1 - share), "batch_64_low": 1e-4 * (1 - share)} for row in rows]

    assert noise_sentence(costs, (1, 64)) == ""
    assert noise_sentence([*spread(costs[:2], 5.0), *costs[2:]], (1, 64)) == ""
    assert "half of the quartiles lie 40% of the median apart" in noise_sentence(spread(costs, 0.4), (1, 64))
    slow = [row | {"batch_1_speedup": 0.5} if row["form"] == "masked" else row for row in costs]
    assert "masked, which computes what dense does, ran at 0.50 to 1.10x its speed" in noise_sentence(slow, (1, 64))


def test_masked_counts_as_fast_as_dense_whatever_was_measured():
    assert times_faster({"form": "masked", "batch_1_speedup": 10.0}, 1) == 1.0
    assert times_faster({"form": "csr", "batch_1_speedup": 1.5}, 1) == 1.5
