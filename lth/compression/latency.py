"""How long a forward pass takes. Networks take turns, so that other work on the machine affects all of them alike."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lth.core.errors import SettingError
from lth.core.rng import rng

PATIENCE = 60.0
"""Seconds that the timed blocks of all networks at one batch size may take together."""

Forward = Callable[[Tensor], object]
"""A network as it is run: inputs (N, ...) -> logits."""


@dataclass(frozen=True)
class Latency:
    """seconds: of one call, the mean of each block, in order. calls: in each block.

    >>> fast, slow = Latency((1.0, 2.0, 1.0), calls=5), Latency((2.0, 4.0, 2.0), calls=3)
    >>> fast.median, fast.speedup(slow)
    (1.0, 2.0)
    """

    seconds: tuple[float, ...]
    calls: int

    def quantile(self, share: float) -> float:
        """The seconds per call that `share` (0..1) of the blocks do not exceed."""
        return float(torch.tensor(self.seconds, dtype=torch.float64).quantile(share))

    @property
    def median(self) -> float:
        """Seconds per call in the median block."""
        return self.quantile(0.5)

    @property
    def spread(self) -> float:
        """The distance between the quartiles / the median."""
        return (self.quantile(0.75) - self.quantile(0.25)) / self.median

    def speedup(self, base: "Latency") -> float:
        """How many times faster than `base`: the median ratio of the blocks of one round.

        Other work in a round slows down both, so this varies less than the ratio of the medians.
        """
        ratios = [slow / fast for slow, fast in zip(base.seconds, self.seconds, strict=True)]
        return float(torch.tensor(ratios, dtype=torch.float64).quantile(0.5))


def latencies(
    networks: Mapping[str, Forward], inputs: Tensor, rounds: int = 25, block_seconds: float = 0.005
) -> dict[str, Latency]:
    """The latency of each of `networks` for the batch `inputs` (N, ...), on this process's threads.

    Each network is warmed up until a block of calls takes `block_seconds`. Then follow `rounds` rounds in which each
    network runs a block (by torch.utils.benchmark, which waits for a GPU). The order is drawn for every round: with a
    fixed one, another process could interrupt always the same network. There are fewer rounds, at least three, where
    they would take longer than `PATIENCE` together. Raises SettingError for fewer than three.
    """
    if rounds < 3:
        raise SettingError("rounds", rounds, "must be at least 3, since quartiles are shown")
    threads, names, make = torch.get_num_threads(), list(networks), _timer()
    with torch.inference_mode():
        timers = {
            name: make("network(inputs)", globals={"network": network, "inputs": inputs}, num_threads=threads)
            for name, network in networks.items()
        }
        calls, round_seconds = {}, 0.0
        for name, timer in timers.items():
            calls[name], seconds_of_block = _calls(timer, block_seconds)
            round_seconds += seconds_of_block
        rounds = max(3, min(rounds, int(PATIENCE / max(round_seconds, 1e-9))))
        seconds: dict[str, list[float]] = {name: [] for name in names}
        for number in range(rounds):
            for index in torch.randperm(len(names), generator=rng(0, "latency", number)).tolist():
                name = names[index]
                seconds[name].append(timers[name].timeit(calls[name]).mean)
    return {name: Latency(tuple(blocks), calls[name]) for name, blocks in seconds.items()}


def _timer() -> Any:
    """torch.utils.benchmark.Timer, imported late: it imports torch's compiler, which warns of a missing GPU."""
    log = logging.getLogger("torch.utils.cpp_extension")
    before, log.disabled = log.disabled, True
    try:
        from torch.utils.benchmark import Timer
    finally:
        log.disabled = before
    return Timer


def _calls(timer: Any, block_seconds: float) -> tuple[int, float]:
    """(calls that fill a block, its seconds); the calls that this takes warm up caches and kernels."""
    number = 1
    while True:
        seconds = timer.timeit(number).mean * number
        if seconds >= block_seconds:
            return number, seconds
        estimate = round(1.2 * number * block_seconds / max(seconds, 1e-9)) if seconds > 1e-4 else 0
        number = max(2 * number, estimate)
