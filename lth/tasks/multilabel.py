"""Multi-label classification: any number of labels for each example, by binary cross-entropy."""

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
    Metric("exact_match", "higher", "0..1", "the share of examples whose labels are all right"),
    Metric("label_accuracy", "higher", "0..1", "the share of labels that are right"),
    Metric("f1", "higher", "0..1", "the harmonic mean of precision and recall over all labels together (micro)"),
)


@dataclass(frozen=True)
class Multilabel:
    """Binary cross-entropy of logits (N, labels) and targets 0 or 1 (N, labels), the mean over both.

    A label is predicted where its logit is above 0. Networks are compared by the exact match, which is the accuracy of
    multi-label classification in scikit-learn.
    """

    decide: str = "val_loss"
    targets: ClassVar[Targets] = "labels"
    functions: ClassVar[Sequence[Callable[..., Any]]] = ()
    is_plain: ClassVar[bool] = False

    @cached_property
    def measures(self) -> Measures:
        """Exact match, accuracy of labels and micro F1."""
        return Measures("multilabel", METRICS, self.decide)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean binary cross-entropy of a batch, in nats a label."""
        return functional.binary_cross_entropy_with_logits(outputs, targets)

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The sum over labels and examples."""
        return functional.binary_cross_entropy_with_logits(outputs, targets, reduction="sum")

    def weight(self, targets: Tensor) -> int:
        """The number of labels of all examples."""
        return targets.numel()

    def part(self, outputs: Tensor, targets: Tensor) -> Part:
        """The loss, which examples are right, and counts of labels; a NaN is no prediction, and wrong."""
        positive, wanted = outputs > 0, targets > 0.5
        right = (positive == wanted) & ~outputs.isnan()
        counts = {"right": right.sum(), "both": (positive & wanted).sum(), "either": positive.sum() + wanted.sum()}
        return {"loss": self.total(outputs, targets), "weight": self.weight(targets), "hits": right.all(1)} | counts

    def score(self, parts: Sequence[Part], count: int) -> Score:
        """The mean loss and the metrics; F1 is 1 where no label is there and none is predicted."""
        hits, weight = torch.cat([part["hits"] for part in parts]), summed(parts, "weight")
        right, both, either = (summed(parts, name) for name in ("right", "both", "either"))
        metrics = {"exact_match": int(hits.sum().item()) / count, "label_accuracy": right / weight}
        metrics["f1"] = 2 * both / either if either else 1.0
        return Score(summed(parts, "loss") / weight, count, metrics, hits)

    def fingerprint(self) -> dict[str, Any]:
        """Its name, and what decides."""
        return {"name": "multilabel", "decide": self.decide}
