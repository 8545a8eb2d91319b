"""What the tests of `lth at_init` share: a made-up comparison in which the paper's claims hold."""

from collections.abc import Callable
from typing import Any

import pytest

from lth.core.tables import Row
from lth.pruning.methods import METHODS
from lth.report.tables import RESULTS

DENSITIES = {0: 1.0, 7: 0.2097, 13: 0.055, 17: 0.0225}
ACCURACIES = {"imp": 0.98, "magnitude_after": 0.975, "snip": 0.97, "grasp": 0.969, "synflow": 0.971}
ACCURACIES |= {"magnitude": 0.968, "random": 0.95}
EFFECTS = {"imp": -0.01, "magnitude_after": -0.005}
"""What shuffling and new weights change a method's accuracy by; 0.001 where it is not named."""


@pytest.fixture(scope="session")
def make_rows() -> Callable[..., list[Row]]:
    """The rows of `methods` (by default seven) with two ablations each, over `seeds`; keywords change every row."""

    def make(seeds: int = 3, methods: tuple[str, ...] = tuple(ACCURACIES), **changes: Any) -> list[Row]:
        return [
            row(method, seed, level, density, arm) | changes
            for method in methods
            for seed in range(seeds)
            for level, density in (*DENSITIES.items(), *([(1, 0.8)] if method == "imp" else []))
            for arm in (("ticket", "reinit", "shuffle") if level > 1 else ("ticket",))
        ]

    return make


def row(method: str, seed: int, level: int, density: float, arm: str) -> Row:
    """One row of results."""
    accuracy = ACCURACIES[method] + 0.0002 * seed if level else 0.98
    accuracy += EFFECTS.get(method, 0.001 + 0.0001 * seed) if arm != "ticket" else 0
    return {
        **dict.fromkeys(RESULTS),
        "experiment": "at_init",
        "setting": f"s-{method}",
        "data": "mnist",
        "model": "lenet_300_100",
        "seed": seed,
        "level": level,
        "arm": arm,
        "draw": 0,
        "status": "done",
        "density": density,
        "weights_left": round(266_200 * density),
        "rewind": 0,
        "schedule": METHODS[method].word(),
        "iterations": 100,
        "seconds": 2.0,
        "final_test_accuracy": accuracy,
        "test_examples": 10**8,
        "run": f"{method}{seed}{level}{arm}" if level else f"dense{seed}",
    }
