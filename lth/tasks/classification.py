"""Classification: one class for each example, by cross-entropy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from lth.core.errors import SettingError
from lth.tasks.metrics import ACCURACY, Measures
from lth.tasks.task import Part, Score, Targets, summed


def predicted(logits: Tensor) -> Tensor:
    """The class int64 (N,) that each row of `logits` (N, classes) gives; -1 where its largest is NaN or infinite.

    >>> predicted(torch.tensor([[0.0, 1.0], [float("nan"), 1.0]])).tolist()
    [1, -1]
    """
    return torch.where(logits.amax(1).isfinite(), logits.argmax(1), -1)


@lru_cache(maxsize=64)
def _on(device: torch.device, weights: tuple[float, ...]) -> Tensor:
    return torch.tensor(weights, device=device)


@dataclass(frozen=True)
class Classification:
    """Cross-entropy of logits (N, classes) and classes int64 (N,); the metric is accuracy.

    label_smoothing: the share of each target that is spread over all classes (Szegedy et al. 2016, section 7).
    class_weights: a weight for each class; the mean is then weighted, as torch's is; none: all count alike. Validation
    and test loss are of the same loss.
    """

    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] = ()
    decide: str = "val_loss"
    targets: ClassVar[Targets] = "classes"
    functions: ClassVar[Sequence[Callable[..., Any]]] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise SettingError("task.label_smoothing", self.label_smoothing, "must be at least 0 and below 1")
        if any(not 0 <= weight < float("inf") for weight in self.class_weights) or not any(self.class_weights or (1,)):
            problem = "must be finite numbers of at least 0, and not all 0"
            raise SettingError("task.class_weights", list(self.class_weights), problem)

    @cached_property
    def measures(self) -> Measures:
        """Accuracy; the early stop is decided by the validation loss, or by `decide`."""
        return Measures("classification", (ACCURACY,), self.decide)

    @property
    def is_plain(self) -> bool:
        """Whether the loss is the plain cross-entropy."""
        return not self.label_smoothing and not self.class_weights

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean cross-entropy of a batch, in nats."""
        if self.is_plain:
            return functional.cross_entropy(outputs, targets)
        return functional.cross_entropy(outputs, targets, self._weights(outputs), label_smoothing=self.label_smoothing)

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The sum of the cross-entropy over a batch."""
        return functional.cross_entropy(
            outputs, targets, self._weights(outputs), reduction="sum", label_smoothing=self.label_smoothing
        )

    def weight(self, targets: Tensor) -> Tensor | int:
        """The number of examples, or the sum of the weights of their classes."""
        if not self.class_weights:
            return len(targets)
        return _on(targets.device, self.class_weights)[targets].sum()

    def _weights(self, outputs: Tensor) -> Tensor | None:
        return _on(outputs.device, self.class_weights).to(outputs.dtype) if self.class_weights else None

    def part(self, outputs: Tensor, targets: Tensor) -> Part:
        """The loss, and which examples are right; one whose largest output is NaN or infinite counts as wrong."""
        hits = predicted(outputs) == targets
        return {"loss": self.total(outputs, targets), "weight": self.weight(targets), "hits": hits}

    def score(self, parts: Sequence[Part], count: int) -> Score:
        """The mean loss, and the share of examples that are right."""
        hits = torch.cat([part["hits"] for part in parts])
        loss = summed(parts, "loss") / summed(parts, "weight")
        return Score(loss, count, {"accuracy": int(hits.sum().item()) / count}, hits)

    def fingerprint(self) -> dict[str, Any]:
        """What differs from plain classification."""
        values: dict[str, Any] = {"name": "classification"}
        if self.label_smoothing:
            values["label_smoothing"] = self.label_smoothing
        if self.class_weights:
            values["class_weights"] = list(self.class_weights)
        if self.decide != "val_loss":
            values["decide"] = self.decide
        return values if len(values) > 1 else {}


PLAIN = Classification()
"""Plain classification: the task of data that name no other."""
