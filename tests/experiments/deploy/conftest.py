"""What the tests of `lth deploy` share: made-up costs with known answers."""

from typing import Any

import pytest
from lth.experiments.deploy.tables import COST

from lth.core.tables import Row

FORMS = {
    "masked": (1000, 1.0, 0.0),
    "csr": (700, 1.5, 0.0),
    "packed_int8": (200, 1.0, -0.01),
    "shrunk": (500, 2.0, 0.0),
}


def cost_row(kind: str, level: int, form: str, size: int, speed: float, accuracy: float) -> Row:
    """A row of cost.csv of a form that runs in a way of its own, unless it is packed."""
    timed = {f"batch_{n}_{what}": 1e-4 for n in (1, 64) for what in ("seconds", "low", "high")}
    values = {"kind": kind, "level": level, "form": form, "bytes": size, "gzip_bytes": size // 2, "density": 0.5**level}
    accuracies = {"test_accuracy": accuracy, "validation_accuracy": accuracy + 0.01}
    change: dict[str, Any] = {"test_accuracy_change": accuracy - 0.9 if form != "dense" else None}
    speeds = {"batch_1_speedup": speed, "batch_64_speedup": speed + 0.1 * (form != "dense")}
    about = {"runs_as": "masked" if "packed" in form else form, "note": "what it is"}
    return dict.fromkeys(COST) | values | accuracies | change | timed | speeds | about


@pytest.fixture(scope="session")
def costs() -> list[Row]:
    """The dense network at 90%, and three levels of two kinds of ticket in four forms, at 88, 82 and 72%."""
    dense = [cost_row("dense", 0, "dense", 1000, 1.0, 0.9)]
    return dense + [
        cost_row(kind, level, form, size // level, speed, 0.9 - 0.02 * level * level + change)
        for kind in ("weights", "channels")
        for level in (1, 2, 3)
        for form, (size, speed, change) in FORMS.items()
    ]


@pytest.fixture(scope="session")
def examples() -> dict[str, int]:
    """How many examples each split has."""
    return {"train": 900, "validation": 100, "test": 400}
