"""What the tests of figures share: made-up results in which the ticket stays and its controls fall."""

from collections.abc import Callable
from typing import Any

import pytest

from lth.core.tables import Row
from lth.report.tables import CURVES, RESULTS

EVALUATIONS = range(0, 2001, 100)


@pytest.fixture(scope="session")
def make_row() -> Callable[..., Row]:
    """One row of results; at level 5 the early stop is censored, and each seed is a fifth of a point better."""

    def make(level: int, arm: str = "ticket", draw: int = 0, seed: int = 0, **values: Any) -> Row:
        density, loss = 0.8**level, 0.0 if arm == "ticket" else 0.02 * level + 0.01 * draw
        return {
            **dict.fromkeys(RESULTS),
            "experiment": "imp",
            "setting": "one",
            "data": "small",
            "model": "lenet",
            "schedule": "iterative",
            "seed": seed,
            "level": level,
            "arm": arm,
            "draw": draw,
            "status": "done",
            "density": density,
            "sparsity": 1 - density,
            "rewind": 0,
            "early_stop_iteration": 2000 if level == 5 else 600 + 100 * level,
            "early_stop_censored": level == 5,
            "early_stop_test_accuracy": 0.9 - loss + 0.002 * seed,
            "final_test_accuracy": 0.88 - loss + 0.002 * seed,
            "grad_norm_init": 0.7 * density,
            "grad_norm_end": 0.1 + loss,
            "run": f"{arm}-{level}-{draw}-{seed}",
            **values,
        }

    return make


@pytest.fixture(scope="session")
def make_rows(make_row: Callable[..., Row]) -> Callable[..., list[Row]]:
    """The results of the ticket and of `arms`, each with its number of draws, at levels 0 to `levels`, of each seed."""

    def make(arms: dict[str, int], levels: int = 5, seeds: int = 1, **values: Any) -> list[Row]:
        tickets = [make_row(level, seed=seed, **values) for seed in range(seeds) for level in range(levels + 1)]
        controls = [
            make_row(level, arm, draw, seed, **values)
            for seed in range(seeds)
            for level in range(1, levels + 1)
            for arm, draws in arms.items()
            for draw in range(draws)
        ]
        return tickets + controls

    return make


@pytest.fixture(scope="session")
def make_curves() -> Callable[..., list[Row]]:
    """Rows of the curves of `results` that have `columns`, an evaluation each."""
    starts = {"val_loss": 2.3, "val_accuracy": 0.1, "train_loss": 2.4, "test_accuracy": 0.1}

    def make(results: list[Row], *columns: str) -> list[Row]:
        return [
            {**dict.fromkeys(CURVES), "run": row["run"], "iteration": at}
            | {column: starts[column] + (1 if "acc" in column else -1) * 0.8 * at / (at + 200) for column in columns}
            for row in results
            for at in EVALUATIONS
        ]

    return make


@pytest.fixture(scope="session")
def diverged() -> Callable[[Row], Row]:
    """A row as a training that diverged leaves it."""
    kept = ("experiment", "setting", "data", "model", "schedule", "seed", "level", "arm", "draw", "density", "sparsity")
    return lambda row: {
        **dict.fromkeys(RESULTS),
        **{key: row[key] for key in (*kept, "rewind", "grad_norm_init", "run")},
        "status": "diverged",
    }
