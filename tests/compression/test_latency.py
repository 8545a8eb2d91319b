"""Latencies are taken by turns, and compared block by block."""

import pytest
import torch

from lth.compression.latency import Latency, latencies
from lth.core.errors import SettingError


def test_every_network_has_its_blocks_of_warm_calls() -> None:
    calls = {"first": 0, "second": 0}

    def network(name: str):
        def forward(inputs: torch.Tensor) -> torch.Tensor:
            calls[name] += len(inputs)
            return inputs

        return forward

    measured = latencies({name: network(name) for name in calls}, torch.zeros(1, 2), rounds=3, block_seconds=1e-4)
    for name, latency in measured.items():
        assert len(latency.seconds) == 3 and 0 < latency.quantile(0.25) <= latency.median <= latency.quantile(0.75)
        assert calls[name] > 3 * latency.calls  # those of the warm-up are not counted


def test_a_speedup_compares_blocks_of_the_same_round() -> None:
    """One is always twice as fast, while the machine is now quick and now slow: the ratio does not move."""
    slow, fast = Latency((2.0, 20.0, 2.0, 20.0, 2.0), 1), Latency((1.0, 10.0, 1.0, 10.0, 1.0), 1)
    assert fast.speedup(slow) == 2 and slow.speedup(fast) == 0.5 and slow.median == 2 and slow.spread == 9


def test_too_few_rounds_are_refused() -> None:
    with pytest.raises(SettingError, match="rounds=2"):
        latencies({}, torch.zeros(1), rounds=2)
