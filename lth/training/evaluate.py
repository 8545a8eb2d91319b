"""The one evaluator: loss and accuracy as sums over every example, the last batch too."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

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
    training = {module: module.training for module in model.modules()}
    model.eval()
    loss = torch.zeros((), dtype=torch.float64, device=split.labels.device)
    correct = torch.zeros((), dtype=torch.int64, device=split.labels.device)
    for images, labels in zip(split.images.split(CHUNK), split.labels.split(CHUNK), strict=True):
        logits = model(images)
        loss += functional.cross_entropy(logits, labels, reduction="sum")
        correct += (logits.argmax(1) == labels).sum()
    for module, mode in training.items():
        module.training = mode
    return Score(loss.item() / len(split), int(correct.item()), len(split))
