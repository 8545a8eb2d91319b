"""The one evaluator: loss and accuracy over every example of a split, the last batch included."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from lth.core.users import users_code
from lth.core.weights import modes_kept
from lth.data.tensors import Split

CHUNK = 1_000
"""Examples per forward pass: few enough for the activations of a small network to fit into the CPU's cache."""


@dataclass(frozen=True)
class Score:
    """The mean cross-entropy over `count` examples in nats, and how many of them are classified correctly.

    hits: which ones, bool (count,).

    >>> Score(loss=0.3, correct=9_812, count=10_000).accuracy
    0.9812
    """

    loss: float
    correct: int
    count: int
    hits: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.bool), compare=False, repr=False)

    @property
    def accuracy(self) -> float:
        """correct / count, 0..1."""
        return self.correct / self.count


def predicted(logits: Tensor) -> Tensor:
    """The class int64 (N,) that each row of `logits` (N, classes) gives; -1 where its largest is NaN or infinite.

    >>> predicted(torch.tensor([[0.0, 1.0], [float("nan"), 1.0]])).tolist()
    [1, -1]
    """
    return torch.where(logits.amax(1).isfinite(), logits.argmax(1), -1)


@torch.no_grad()
def evaluate(model: nn.Module, split: Split) -> Score:
    """The score of `model` on `split` in evaluation mode: dropout off, BatchNorm with its running statistics.

    An example whose largest output is NaN or infinite counts as wrong.

    The modes of `model` are restored. Raises ValueError for an empty split, LotteryError where the model raises one.
    """
    if not len(split):
        raise ValueError("an empty split has no accuracy")
    losses, hits = [], []
    with modes_kept(model):
        model.eval()
        for images, labels in zip(split.images.split(CHUNK), split.labels.split(CHUNK), strict=True):
            with users_code("the model, in evaluation mode,"):
                logits = model(images)
            losses.append(functional.cross_entropy(logits, labels, reduction="sum"))
            hits.append(predicted(logits) == labels)
    loss = torch.stack(losses).cpu().double().sum().item()  # at the end, so that a GPU is waited for once
    right = torch.cat(hits)
    return Score(loss / len(split), int(right.sum().item()), len(split), right)
