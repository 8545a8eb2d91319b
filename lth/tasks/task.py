"""What a task is: the loss that a training lowers, and how good a network is on a split."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from lth.core.errors import LotteryError
from lth.tasks.metrics import Measures

Targets = Literal["classes", "labels", "values", "tokens", "any"]
"""What the targets of a task are: a class an example, any number of labels, numbers, a class a token, or anything."""
Part = dict[str, Any]
"""What is kept of the outputs for some examples of a split, until all of them are there."""


@dataclass(frozen=True)
class Score:
    """How good a network is on `count` examples: its mean loss, and the task's metrics by name.

    hits: which examples it gets right, bool (count,), where the first metric is a share of examples; else None.

    >>> Score(0.3, 10_000, {"accuracy": 0.9812}).accuracy
    0.9812
    """

    loss: float
    count: int
    metrics: Mapping[str, float | None]
    hits: Tensor | None = field(default=None, compare=False, repr=False)

    @property
    def accuracy(self) -> float:
        """The accuracy, 0..1; LotteryError where the task has none."""
        value = self.metrics.get("accuracy")
        if value is None:
            raise LotteryError(f"the task has no accuracy; it has {', '.join(self.metrics)}")
        return value

    def value(self, name: str) -> float | None:
        """The loss, or the metric called `name`."""
        return self.loss if name == "loss" else self.metrics.get(name)


class Task(Protocol):
    """What is learnt: a loss of outputs and targets, and metrics.

    The mean loss over a split is the sum of `total` over batches, divided by that of `weight`.
    """

    @property
    def measures(self) -> Measures:
        """Its metrics, and what decides the early stop."""
        ...

    @property
    def targets(self) -> Targets:
        """What its targets are."""
        ...

    @property
    def functions(self) -> Sequence[Callable[..., Any]]:
        """The user's own functions in it, whose code a training depends on."""
        ...

    @property
    def is_plain(self) -> bool:
        """Whether its loss is the plain cross-entropy of classes, which compiled chains know."""
        ...

    def loss(self, outputs: Any, targets: Any) -> Tensor:
        """The mean loss of a batch, ()."""
        ...

    def total(self, outputs: Any, targets: Any) -> Tensor:
        """The loss of a batch before it is divided by `weight`, ()."""
        ...

    def weight(self, targets: Any) -> Tensor | int:
        """What the total loss of a batch is divided by for its mean, such as the number of examples."""
        ...

    def part(self, outputs: Any, targets: Any) -> Part:
        """What `score` needs of some examples."""
        ...

    def score(self, parts: Sequence[Part], count: int) -> Score:
        """The score of all `count` examples, from their parts in order."""
        ...

    def fingerprint(self) -> dict[str, Any]:
        """What a training depends on in it, as JSON; empty for plain classification, which older runs are of."""
        ...


def summed(parts: Sequence[Part], name: str) -> float:
    """The sum over all parts, in double precision; computed at the end, so that a GPU is waited for once."""
    values = [part[name] for part in parts]
    if all(isinstance(value, int) for value in values):
        return float(sum(values))
    return float(torch.stack([torch.as_tensor(value) for value in values]).cpu().double().sum().item())
