"""How long a forward pass takes: networks take turns, so that what else the machine does meets all of them."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lth.core.errors import SettingError
from lth.core.rng import rng

PATIENCE = 60.0
"""Seconds that the counted blocks of all networks at one batch size may take together."""

Forward = Callable[[Tensor], object]
"""A network as it is run: inputs (N, ...) -> logits."""


@dataclass(frozen=True)
class Latency:
    """`seconds` a call, of each block in order; `calls` in a block."""

    seconds: tuple[float, ...]
    calls: int

    def quantile(self, share: float) -> float:
        """The seconds a call that `share` (0..1) of the blocks do not exceed."""
        return float(torch.tensor(self.seconds, dtype=torch.float64).quantile(share))

    @property
    def median(self) -> float:
        """Seconds a call, in the median block."""
        return self.quantile(0.5)

    @property
    def spread(self) -> float:
        """The distance of the quartiles, as a share of the median."""
        return (self.quantile(0.75) - self.quantile(0.25)) / self.median

    def speedup(self, base: "Latency") -> float:
        """How many times faster than `base`: the median of the ratios of blocks of the same round.

        What disturbs a round disturbs both, so that this varies less than the ratio of the medians.
        """
        ratios = [other / own for other, own in zip(base.seconds, self.seconds, strict=True)]
        return float(torch.tensor(ratios, dtype=torch.float64).quantile(0.5))


def latencies(
    networks: Mapping[str, Forward], inputs: Tensor, rounds: int = 25, block_seconds: float = 0.005
) -> dict[str, Latency]:
    """The latency of each of `networks` for the batch `inputs`, on this process's threads.

    Each is warmed up until a block of calls takes `block_seconds`, which is not counted; then come `rounds` rounds of a
    block each (torch.utils.benchmark, which waits for a GPU). Their order changes from round to round: a fixed one can
    fall into step with another process, so that always the same network is interrupted. Rounds that would take longer
    than `PATIENCE` together are fewer, at least three. Raises SettingError for fewer than three.
    """
    if rounds < 3:
        raise SettingError("rounds", rounds, "must be at least 3: quartiles are shown")
    threads, names, make = torch.get_num_threads(), list(networks), _timer()
    with torch.inference_mode():
        timers = {
            name: make("network(inputs)", globals={"network": network, "inputs": inputs}, num_threads=threads)
            for name, network in networks.items()
        }
        calls, round_seconds = {}, 0.0
        for name, timer in timers.items():
            calls[name], taken = _calls(timer, block_seconds)
            round_seconds += taken
        rounds = max(3, min(rounds, int(PATIENCE / max(round_seconds, 1e-9))))
        seconds: dict[str, list[float]] = {name: [] for name in names}
        for turn in range(rounds):
            for place in torch.randperm(len(names), generator=rng(0, "latency", turn)).tolist():
                name = names[place]
                seconds[name].append(timers[name].timeit(calls[name]).mean)
    return {name: Latency(tuple(blocks), calls[name]) for name, blocks in seconds.items()}


def _timer() -> Any:
    """torch.utils.benchmark.Timer, imported late: it imports torch's compiler, which complains of a missing GPU."""
    log = logging.getLogger("torch.utils.cpp_extension")
    before, log.disabled = log.disabled, True
    try:
        from torch.utils.benchmark import Timer
    finally:
        log.disabled = before
    return Timer


def _calls(timer: Any, block_seconds: float) -> tuple[int, float]:
    """How many calls fill a block, and its seconds; the calls made to find out warm up caches and kernels."""
    number = 1
    while True:
        taken = timer.timeit(number).mean * number
        if taken >= block_seconds:
            return number, taken
        number = max(2 * number, round(1.2 * number * block_seconds / max(taken, 1e-9)) if taken > 1e-4 else 2 * number)
