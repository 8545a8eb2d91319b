"""Networks by name, and their initialisers."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import nn

from lth.core.errors import SettingError
from lth.core.machine import memory
from lth.core.registry import nearest
from lth.models.cifar_resnet import resnet20
from lth.models.conv import conv2, conv4, conv6
from lth.models.lenet import lenet5, lenet_300_100, mlp
from lth.models.resnet import resnet18

Builder = Callable[[Sequence[int], int], nn.Module]
"""(shape of one input (C, H, W), number of classes) -> network with logits of shape (batch, classes)."""

MODELS: dict[str, Builder] = {
    "lenet_300_100": lenet_300_100,
    "lenet5": lenet5,
    "conv2": conv2,
    "conv4": conv4,
    "conv6": conv6,
    "resnet18": resnet18,
    "resnet20": resnet20,
}


def build(
    name: str, shape: Sequence[int], classes: int, widths: Sequence[int] | None = None, width: float = 1.0
) -> nn.Module:
    """The network `name` for inputs of `shape` (C, H, W); widths: the hidden layers of `mlp`, None for all others.

    width: factor of the channels of `resnet20`, 1 for all others. Raises SettingError for an unknown name, widths that
    do not fit, and an input that is too small.

    >>> build("mlp", (1, 6, 6), classes=3, widths=[12]).output
    Linear(in_features=12, out_features=3, bias=True)
    """
    if width != 1 and name != "resnet20":
        raise SettingError("model.width", width, f"is for model=resnet20; {name} has its own")
    if name == "mlp":
        if not widths or min(widths) < 1:
            raise SettingError("model.widths", widths, "model=mlp needs hidden widths of at least 1, as in [300,100]")
        units = [math.prod(shape), *widths, classes]
        if (size := 4 * sum(map(math.prod, pairwise(units)))) > memory():
            problem = f"the weights would take {size / 1e9:,.0f} GB, and this machine has {memory() / 1e9:,.0f} GB"
            raise SettingError("model.widths", list(widths), problem)
        return mlp(shape, classes, widths)
    if widths is not None:
        raise SettingError("model.widths", list(widths), f"is for model=mlp; {name} has its own")
    if name not in MODELS:
        raise SettingError("model", name, f"is no model; {nearest(name, ['mlp', *MODELS, 'custom'])}")
    return MODELS[name](shape, classes) if width == 1 else resnet20(shape, classes, width)
