"""How batches of images lie in memory while they pass a network: with the channels innermost where that is faster.

On the CPU the convolutions of small networks take about a quarter less time so, and weights and results keep their
usual layout; sums are taken in another order, so that the last bits differ. The rule depends on the network alone, as
stored results do.
"""

from typing import Any

import torch
from torch import Tensor, nn

from lth.core.places import is_plain


def is_by_channel(model: nn.Module, shape: Any) -> bool:
    """Whether inputs of `shape`, (C, H, W) for images, pass `model` with their channels innermost.

    They do in networks with 2-D convolutions that are made of modules of torch and lth alone: code of a user's may
    rely on the usual layout, as `Tensor.view` does. Inputs of several tensors have several shapes, and never do.
    """
    modules, shape = list(model.modules()), tuple(shape) if isinstance(shape, torch.Size) else shape
    return (
        isinstance(shape, tuple)
        and len(shape) == 3
        and all(isinstance(size, int) for size in shape)
        and any(isinstance(module, nn.Conv2d) for module in modules)
        and all(type(module).__module__.startswith(("torch.nn.", "lth.models.")) for module in modules)
        and is_plain(model)
    )


def by_channel(images: Tensor) -> Tensor:
    """`images` (N, C, H, W) on the CPU with their channels innermost in memory; on other devices as they are.

    >>> by_channel(torch.zeros(2, 3, 4, 5)).stride()
    (60, 1, 15, 3)
    """
    if images.device.type != "cpu":
        return images
    if images.shape[1] > 1:
        return images.contiguous(memory_format=torch.channels_last)
    size = tuple(images.shape)  # with one channel both layouts are the same bytes, and only the strides tell them apart
    return images.contiguous().as_strided(size, (size[2] * size[3], 1, size[3], 1))
