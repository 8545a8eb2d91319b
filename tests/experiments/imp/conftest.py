"""What the tests of `lth imp` share: made-up sweeps in the likeness of Lenet on MNIST."""

import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from lth.core.tables import Row
from lth.report.tables import CURVES, RESULTS

SEEDS, LEVELS, CONTROLS = 5, 17, (3, 5, 7, 9, 12, 14, 16)
DENSITIES = {level: (235_200 + 30_000) / 266_200 * 0.8**level + 1000 / 266_200 * 0.9**level for level in range(LEVELS)}
STEP, LAST = 100, 15_000


def result(seed: int, level: int, arm: str = "ticket", schedule: str = "iterative", **values: Any) -> Row:
    """One row of results: controls fall and slow down as they get sparse."""
    run = f"{arm}-{level}-{seed}-{schedule if level else 'dense'}-{values.get('draw', 0)}"  # schedules share the dense
    noise = random.Random(run).gauss
    sparse = -math.log(DENSITIES[level])
    loss, factor = (0.0, 1 - 0.12 * sparse) if arm == "ticket" else (0.25 * sparse, 1 + 0.6 * sparse)
    gain = 0.3 * math.exp(-((sparse - 1.6) ** 2)) if arm == "ticket" else 0.0
    late = 0.08 * sparse if schedule == "one_shot" and level else 0.0
    accuracy = (97.9 + gain - loss - late + noise(0, 0.1)) / 100
    stop = 100 * round(min(150.0, max(10.0, 49 * (factor + late) * math.exp(noise(0, 0.2)))))
    return {
        **dict.fromkeys(RESULTS),
        "experiment": "imp",
        "setting": schedule,
        "data": "mnist",
        "model": "lenet_300_100",
        "seed": seed,
        "level": level,
        "arm": arm,
        "draw": 0,
        "status": "done",
        "density": DENSITIES[level],
        "sparsity": 1 - DENSITIES[level],
        "weights_left": round(266_200 * DENSITIES[level]),
        "rewind": 0,
        "schedule": schedule,
        "early_stop_iteration": stop,
        "early_stop_censored": stop > 0.95 * LAST,
        "early_stop_test_accuracy": accuracy,
        "final_train_accuracy": 0.999 - 0.002 * max(0.0, sparse - 2.5) ** 2 - (loss > 0.5) * 0.004 * sparse,
        "final_test_accuracy": accuracy + noise(0, 0.0006),
        "grad_norm_init": 0.5 * DENSITIES[level],
        "grad_norm_end": 0.1,
        "iterations": LAST,
        "run": run,
        **values,
    }


@pytest.fixture(scope="session")
def make_result() -> Callable[..., Row]:
    """`make_result(seed, level, arm, schedule, **values)`: one row of results."""
    return result


@pytest.fixture(scope="session")
def make_sweep() -> Callable[..., list[Row]]:
    """The rows of a sweep: the ticket at every level, controls at seven; one-shot tickets at those seven."""

    def make(
        seeds: int = SEEDS, schedules: tuple[str, ...] = ("iterative", "one_shot"), draws: int = 2, **values: Any
    ) -> list[Row]:
        rows = []
        for seed in range(seeds):
            if "iterative" in schedules:
                rows += [result(seed, level, **values) for level in range(LEVELS)]
                rows += [
                    result(seed, level, "reinit", draw=draw, **values) for level in CONTROLS for draw in range(draws)
                ]
                rows += [result(seed, level, "shuffle", **values) for level in CONTROLS]
            if "one_shot" in schedules:
                rows += [result(seed, level, schedule="one_shot", **values) for level in (0, *CONTROLS)]
        return rows

    return make


@pytest.fixture(scope="session")
def make_curves() -> Callable[..., list[Row]]:
    """The rows of the curves of `rows`; test accuracy only at one evaluation in `every`."""

    def make(rows: list[Row], every: int = 1) -> list[Row]:
        curves = []
        for row in {row["run"]: row for row in rows}.values():
            noise = random.Random(row["run"]).gauss
            curves += [
                {
                    **dict.fromkeys(CURVES),
                    "run": row["run"],
                    "iteration": at,
                    "val_loss": 0.1,
                    "test_accuracy": None
                    if (at // STEP) % every
                    else row["final_test_accuracy"] - 0.8 / (1 + at / 40) ** 1.1 + noise(0, 0.002),
                }
                for at in range(0, LAST + 1, STEP)
            ]
        return curves

    return make
