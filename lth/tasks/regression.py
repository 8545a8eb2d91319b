"""Regression: numbers for each example, by the mean squared error."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from lth.tasks.metrics import Measures, Metric
from lth.tasks.task import Part, Score, Targets, summed

METRICS = (
    Metric("mse", "lower", "", "the mean squared error over examples and outputs"),
    Metric("rmse", "lower", "", "its square root, in the unit of the targets"),
    Metric("mae", "lower", "", "the mean absolute error over examples and outputs"),
    Metric("r2", "higher", "", "1 - squared error / that of each output's mean over the split"),
)


@dataclass(frozen=True)
class Regression:
    """The mean squared error of outputs and targets, both (N,) or (N, ...), the mean over all numbers.

    Outputs (N, 1) for targets (N,) are taken as (N,).
    """

    decide: str = "val_loss"
    targets: ClassVar[Targets] = "values"
    functions: ClassVar[Sequence[Callable[..., Any]]] = ()
    is_plain: ClassVar[bool] = False

    @cached_property
    def measures(self) -> Measures:
        """The mean squared error, its root, the mean absolute error, and R2."""
        return Measures("regression", METRICS, self.decide)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean squared error of a batch."""
        return functional.mse_loss(outputs.reshape(targets.shape), targets)

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The sum of squared errors."""
        return functional.mse_loss(outputs.reshape(targets.shape), targets, reduction="sum")

    def weight(self, targets: Tensor) -> int:
        """How many numbers there are."""
        return targets.numel()

    def part(self, outputs: Tensor, targets: Tensor) -> Part:
        """Squared and absolute errors, and the targets."""
        absolute = functional.l1_loss(outputs.reshape(targets.shape), targets, reduction="sum")
        return {
            "loss": self.total(outputs, targets),
            "weight": self.weight(targets),
            "absolute": absolute,
            "targets": targets,
        }

    def score(self, parts: Sequence[Part], count: int) -> Score:
        """The mean loss and the metrics; there is no R2 where no target differs from its mean."""
        squared, weight = summed(parts, "loss"), summed(parts, "weight")
        targets = torch.cat([part["targets"] for part in parts]).double()
        spread = (targets - targets.mean(0)).square().sum().item()
        mse = squared / weight
        metrics = {
            "mse": mse,
            "rmse": math.sqrt(mse) if mse >= 0 else mse,
            "mae": summed(parts, "absolute") / weight,
            "r2": 1 - squared / spread if spread else None,
        }
        return Score(mse, count, metrics)

    def fingerprint(self) -> dict[str, Any]:
        """Its name, and what decides."""
        return {"name": "regression", "decide": self.decide}
