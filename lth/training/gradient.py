"""Gradients on fixed examples, for those who look at a network or choose by it; they leave it as it was."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from lth.core.errors import LotteryError
from lth.core.rng import rng
from lth.core.weights import clone, modes_kept, on_cpu
from lth.data.tensors import Split

EXAMPLES = 1_000


def examples(split: Split, count: int = EXAMPLES, last: bool = False) -> Split:
    """`count` fixed examples of `split`, the same for every network and seed; all of them where there are fewer.

    The first of a fixed order, or its `last`: where the split has twice as many, the two share none.
    """
    order = torch.randperm(len(split), generator=rng(0, "probe"))
    chosen = (order[-count:] if last else order[:count]).to(split.labels.device)
    return Split(split.images[chosen], split.labels[chosen])


@contextmanager
def batch_statistics(model: nn.Module) -> Iterator[None]:
    """Within: dropout off, BatchNorm on the statistics of its batch. Afterwards modes and buffers are as before."""
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


def gradient_of(model: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """The gradient of the mean loss, by parameter name; `.grad` is left alone."""
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    loss = functional.cross_entropy(model(images), labels)
    gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    return {name: g for name, g in zip(parameters, gradients, strict=True) if g is not None}


def dense_gradient(model: nn.Module, split: Split, names: Collection[str], count: int) -> dict[str, Tensor]:
    """The gradient of the tensors `names`, pruned weights too, on the CPU.

    From the last `count` of the fixed examples, others than the gradient norm is measured on; without weight decay.
    Raises LotteryError for a tensor that has none.
    """
    chosen = examples(split, count, last=True)
    with batch_statistics(model):
        gradients = gradient_of(model, chosen.images, chosen.labels)
    for name in names:
        if name not in gradients:
            raise LotteryError(f"{name} has no gradient to grow by: it is frozen, or plays no part")
    return on_cpu({name: gradients[name] for name in names})
