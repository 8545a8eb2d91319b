"""Which of several calls is the faster: measured in turns, so that whatever else the machine does meets all of them."""

import time
from collections.abc import Callable, Mapping

ROUNDS = 3
SECONDS = 0.01
"""A short call is repeated for so long in each round, a long one is made once."""


def interleaved(calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """The least seconds of each call, over rounds in which all of them take turns."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(ROUNDS):
        for name, call in calls.items():
            began = time.perf_counter()
            while len(times[name]) <= number or time.perf_counter() - began < SECONDS:
                start = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - start)
    return {name: min(measured) for name, measured in times.items()}
