"""The one evaluator: the task's loss and metrics over every example of a split, the last batch included."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from lth.core.trees import call, shapes_of
from lth.core.users import users_code
from lth.core.weights import modes_kept
from lth.data.tensors import Split
from lth.tasks.classification import predicted as predicted
from lth.tasks.task import Score as Score
from lth.training.layout import by_channel, is_by_channel

CHUNK = 1_000
"""Examples per forward pass: few enough for the activations of a small network to fit into the CPU's cache."""
SMALL_CHUNK = 100
"""The same for convolutions, whose activations are larger: three times as fast as `CHUNK` for a ResNet-20."""


def chunk_of(model: nn.Module, split: Split) -> int:
    """The number of examples of `split` that `evaluate` takes through `model` at once."""
    return SMALL_CHUNK if passes_by_channel(model, split) else CHUNK


def passes_by_channel(model: nn.Module, split: Split) -> bool:
    """Whether the images of `split` pass `model` with their channels innermost in memory."""
    return split.device.type == "cpu" and is_by_channel(model, shapes_of(split.images))


@torch.no_grad()
def evaluate(model: nn.Module, split: Split, outputs: Callable[[Any], Any] | None = None) -> Score:
    """The score of `model` on `split` in evaluation mode: dropout off, BatchNorm with its running statistics.

    An example whose largest output is NaN or infinite counts as wrong. outputs: computes what `model` gives for images
    (N, ...), where that is not a call of it.

    The modes of `model` are restored. Raises ValueError for an empty split, LotteryError where the model raises one.
    """
    if not len(split):
        raise ValueError("an empty split has no score")
    task, parts = split.task, []
    inner, size = passes_by_channel(model, split), chunk_of(model, split)
    with modes_kept(model):
        model.eval()
        for inputs, targets in split.chunks(size):
            with users_code("the model, in evaluation mode,"):
                given = outputs(inputs) if outputs else call(model, by_channel(inputs) if inner else inputs)
            parts.append(task.part(given, targets))
    return task.score(parts, len(split))
