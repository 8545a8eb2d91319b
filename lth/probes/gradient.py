"""The gradient norm: how strongly a subnetwork is pulled (Evci et al. 2022, section 3)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lth.core.rng import rng
from lth.core.weights import clone, modes_kept
from lth.data.tensors import Split
from lth.training.loop import Job, gradient_of

EXAMPLES = 1_000


def examples(split: Split, count: int = EXAMPLES) -> Split:
    """`count` fixed examples of `split`, the same for every network and seed; all of them where there are fewer."""
    chosen = torch.randperm(len(split), generator=rng(0, "probe"))[:count].to(split.labels.device)
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


def gradient_norm(model: nn.Module, mask: Mapping[str, Tensor], split: Split) -> dict[str, float]:
    """The L2 norm of the gradient of the mean loss over all of `split`, by parameter, and of all under `total`.

    Over every trainable parameter, pruned weights left out, without weight decay, in float32. The loss is the mean
    over the one batch that `split` is; BatchNorm normalises by it. `model` is unchanged, `.grad` and buffers too.
    """
    with batch_statistics(model):
        gradients = gradient_of(model, split.images, split.labels)
    for name, gradient in gradients.items():
        if name in mask:
            gradient *= mask[name].to(gradient.device)
    norms = {name: gradient.float().norm().item() for name, gradient in gradients.items()}
    return norms | {"total": sum(norm**2 for norm in norms.values()) ** 0.5}


class GradientNorm:
    """`gradient_norm` on 1,000 fixed training examples, as an observer of a training."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.key = f"gradient_norm every={every} examples={EXAMPLES}"
        self._examples: tuple[Split, Split] | None = None  # (the split they were taken from, the examples)

    def __call__(self, model: nn.Module, job: Job) -> dict[str, float]:
        if self._examples is None or self._examples[0] is not job.data.train:
            self._examples = (job.data.train, examples(job.data.train))
        return gradient_norm(model, job.mask, self._examples[1])
