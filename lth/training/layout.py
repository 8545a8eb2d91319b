"""How batches of images lie in memory while they pass a network: with the channels innermost where that is faster.

On the CPU the convolutions of small networks take about a quarter less time so, and weights and results keep their
usual layout; sums are taken in another order, so that the last bits differ. The rule depends on the network alone, as
stored results do. `recipe.memory_format` overrides it for training, on any device.
"""

from typing import Any

import torch
from torch import Tensor, nn

from lth.core.errors import SettingError
from lth.core.places import is_plain
from lth.training.run_spec import RunSpec


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


def trains_by_channel(spec: RunSpec) -> bool:
    """Whether batches pass the network of `spec` with their channels innermost in training.

    Raises SettingError where `memory_format=channels_last` is asked for and inputs are no images.
    """
    wanted, shape = spec.plan.memory_format, spec.data.shape
    if wanted == "channels_last" and not (isinstance(shape, (tuple, torch.Size)) and len(shape) == 3):
        problem = f"is for images (channels, height, width), and an input is {shape}: use auto"
        raise SettingError("recipe.memory_format", wanted, problem)
    on_cpu = spec.data.train.device.type == "cpu"
    return wanted == "channels_last" or (wanted == "auto" and on_cpu and is_by_channel(spec.model, shape))


def by_channel(images: Tensor) -> Tensor:
    """`images` (N, C, H, W) with their channels innermost in memory.

    >>> by_channel(torch.zeros(2, 3, 4, 5)).stride()
    (60, 1, 15, 3)
    """
    if images.shape[1] > 1:
        return images.contiguous(memory_format=torch.channels_last)
    size = tuple(images.shape)  # with one channel both layouts are the same bytes, and only the strides tell them apart
    return images.contiguous().as_strided(size, (size[2] * size[3], 1, size[3], 1))
