"""The one evaluator: loss and accuracy over every example of a split, the last batch included."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from lth.core.users import users_code
from lth.core.weights import modes_kept
from lth.data.tensors import Split
from lth.training.layout import by_channel, is_by_channel

CHUNK = 1_000
"""Examples per forward pass: few enough for the activations of a small network to fit into the CPU's cache."""
SMALL_CHUNK = 100
"""The same for convolutions, whose activations are larger: three times as fast as `CHUNK` for a ResNet-20."""


def chunk_of(model: nn.Module, split: Split) -> int:
    """The number of examples of `split` that `evaluate` takes through `model` at once."""
    return SMALL_CHUNK if split.images.device.type == "cpu" and is_by_channel(model, split.images.shape[1:]) else CHUNK


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
def evaluate(model: nn.Module, split: Split, outputs: Callable[[Tensor], Tensor] | None = None) -> Score:
    """The score of `model` on `split` in evaluation mode: dropout off, BatchNorm with its running statistics.

    An example whose largest output is NaN or infinite counts as wrong. outputs: computes what `model` gives for images
    (N, ...), where that is not a call of it.

    The modes of `model` are restored. Raises ValueError for an empty split, LotteryError where the model raises one.
    """
    if not len(split):
        raise ValueError("an empty split has no accuracy")
    losses, hits = [], []
    inner, size = is_by_channel(model, split.images.shape[1:]), chunk_of(model, split)
    with modes_kept(model):
        model.eval()
        for images, labels in zip(split.images.split(size), split.labels.split(size), strict=True):
            with users_code("the model, in evaluation mode,"):
                logits = outputs(images) if outputs else model(by_channel(images) if inner else images)
            losses.append(functional.cross_entropy(logits, labels, reduction="sum"))
            hits.append(predicted(logits) == labels)
    loss = torch.stack(losses).cpu().double().sum().item()  # at the end, so that a GPU is waited for once
    right = torch.cat(hits)
    return Score(loss / len(split), int(right.sum().item()), len(split), right)
