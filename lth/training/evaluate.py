"""The one evaluator: loss and accuracy as sums over every example, the last batch too."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from lth.core.weights import modes_kept
from lth.data.tensors import Split

CHUNK = 1_000
"""Examples a forward pass; small enough for the activations of a small network to stay in the processor's cache."""


@dataclass(frozen=True)
class Score:
    """The mean loss over `count` examples, and how many of them are classified correctly."""

    loss: float
    correct: int
    count: int

    @property
    def accuracy(self) -> float:
        """correct / count, 0..1."""
        return self.correct / self.count


@torch.no_grad()
def evaluate(model: nn.Module, split: Split) -> Score:
    """The score of `model` on `split`, in evaluation mode (dropout off, BatchNorm on its running statistics).

    The model's modes are put back. Raises ValueError for an empty split.
    """
    if not len(split):
        raise ValueError("an empty split has no accuracy")
    losses, hits = [], []
    with modes_kept(model):
        model.eval()
        for images, labels in zip(split.images.split(CHUNK), split.labels.split(CHUNK), strict=True):
            logits = model(images)
            losses.append(functional.cross_entropy(logits, labels, reduction="sum"))
            hits.append((logits.argmax(1) == labels).sum())
    loss = torch.stack(losses).cpu().double().sum().item()  # summed at the end: one wait for a GPU
    return Score(loss / len(split), int(torch.stack(hits).sum().item()), len(split))
