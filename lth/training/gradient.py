"""Gradients on fixed examples, for measurements, scores and growth; the network is unchanged."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lth.core.errors import LotteryError
from lth.core.rng import rng
from lth.core.trees import call
from lth.core.weights import clone, modes_kept, on_cpu
from lth.data.tensors import Split
from lth.training.recipe import EXAMPLES as EXAMPLES


def examples(split: Split, count: int = EXAMPLES, last: bool = False) -> Split:
    """`count` fixed examples of `split`, the same for every network and seed; all where there are fewer.

    They are the first of a fixed order, or the `last`, which are others in a split of at least 2 x `count` examples.
    """
    order = torch.randperm(len(split), generator=rng(0, "probe"))
    return split.take((order[-count:] if last else order[:count]).to(split.device))


@contextmanager
def batch_statistics(model: nn.Module) -> Iterator[None]:
    """Turns dropout off and BatchNorm to its batch's statistics; restores modes and buffers afterwards."""
    buffers = clone(dict(model.named_buffers()))
    try:
        with modes_kept(model):
            for module in model.modules():
                module.training = isinstance(module, nn.modules.batchnorm._BatchNorm)
            yield
    finally:
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                buffer.copy_(buffers[name])


def gradient_of(model: nn.Module, split: Split) -> dict[str, Tensor]:
    """Parameter name -> gradient of the task's mean loss over `split`; parameters frozen or unused have none.

    All of `split` is one batch. The parameters' `.grad` are unchanged.
    """
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    loss = split.task.loss(call(model, split.images), split.labels)
    gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    return {name: g for name, g in zip(parameters, gradients, strict=True) if g is not None}


def dense_gradient(model: nn.Module, split: Split, names: Collection[str], count: int) -> dict[str, Tensor]:
    """Name -> gradient of the tensors `names` on the CPU, pruned weights included, without weight decay.

    It is that of the last `count` fixed examples; the gradient norm is measured on the first. Raises LotteryError for a
    tensor without a gradient.
    """
    chosen = examples(split, count, last=True)
    with batch_statistics(model):
        gradients = gradient_of(model, chosen)
    for name in names:
        if name not in gradients:
            raise LotteryError(f"{name} has no gradient to grow weights by: it is frozen or unused")
    return on_cpu({name: gradients[name] for name in names})
