"""Networks by name, and their initialisers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from lth.core.errors import SettingError
from lth.core.machine import memory
from lth.core.registry import nearest
from lth.models.cifar_resnet import resnet20
from lth.models.conv import conv2, conv4, conv6
from lth.models.lenet import lenet5, lenet_300_100, mlp
from lth.models.modular import ModularMlp
from lth.models.resnet import resnet18
from lth.models.transformer import Transformer
from lth.models.vgg import vgg11, vgg16

Builder = Callable[[Sequence[int], int], nn.Module]
"""(shape of one input (C, H, W), number of classes) -> network with logits of shape (batch, classes)."""

SCALABLE: dict[str, Callable[..., nn.Module]] = {"resnet20": resnet20, "vgg11": vgg11, "vgg16": vgg16}
"""The networks whose channels a third argument, `width`, multiplies."""
MODELS: dict[str, Builder] = {
    "lenet_300_100": lenet_300_100,
    "lenet5": lenet5,
    "conv2": conv2,
    "conv4": conv4,
    "conv6": conv6,
    "resnet18": resnet18,
    **SCALABLE,
}
WIDEST = 16
"""The largest factor of the channels of a network of SCALABLE."""

TOKENS = ("transformer", "modular_mlp")
"""The networks that take sequences of tokens."""


@dataclass(frozen=True)
class Sequences:
    """What networks of tokens need to know besides the shape of the data.

    tokens: how many different ones there are; everywhere: whether every place of a sequence has outputs. depth, heads:
    of `transformer`; embedding: units of that of `modular_mlp`.
    """

    tokens: int
    everywhere: bool = False
    depth: int = 2
    heads: int = 4
    embedding: int = 500


def build(
    name: str,
    shape: Sequence[int],
    classes: int,
    widths: Sequence[int] | None = None,
    width: float = 1.0,
    sequences: Sequences | None = None,
) -> nn.Module:
    """The network `name` for inputs of `shape`: images (C, H, W), or sequences (T,) of tokens.

    widths: the hidden layers of `mlp`, None for all others. width: factor of the channels of the networks in SCALABLE;
    units of `transformer`, and of the hidden layer of `modular_mlp`; 1 for all others. sequences: None where the inputs
    are no whole numbers. Raises SettingError for an unknown name, sizes that do not fit, and inputs that the network
    does not take.

    >>> build("mlp", (1, 6, 6), classes=3, widths=[12]).output
    Linear(in_features=12, out_features=3, bias=True)
    """
    if width != 1 and name not in (*SCALABLE, *TOKENS):
        raise SettingError("model.width", width, f"is for {', '.join((*SCALABLE, *TOKENS))}; {name} has its own")
    if name == "mlp":
        return _mlp(shape, classes, widths)
    if widths is not None:
        raise SettingError("model.widths", list(widths), f"is for model=mlp; {name} has its own")
    if name in TOKENS:
        return _of_tokens(name, shape, classes, width, sequences)
    if name not in MODELS:
        raise SettingError("model", name, f"is no model; {nearest(name, ['mlp', *MODELS, *TOKENS, 'custom'])}")
    return MODELS[name](shape, classes) if width == 1 else _scaled(name, shape, classes, width)


def _scaled(name: str, shape: Sequence[int], classes: int, width: float) -> nn.Module:
    """The network `name` of SCALABLE with `width` times its channels."""
    if not 0 < width <= WIDEST:
        raise SettingError("model.width", width, f"is a factor of the channels: above 0, and at most {WIDEST}")
    with torch.device("meta"):  # it takes no memory
        parameters = SCALABLE[name](shape, classes, width).parameters()
        _check_memory("width", width, sum(parameter.numel() for parameter in parameters))
    return SCALABLE[name](shape, classes, width)


def _mlp(shape: Sequence[int], classes: int, widths: Sequence[int] | None) -> nn.Module:
    if not widths or min(widths) < 1:
        raise SettingError("model.widths", widths, "model=mlp needs hidden widths of at least 1, as in [300,100]")
    _check_memory("widths", list(widths), sum(map(math.prod, pairwise([math.prod(shape), *widths, classes]))))
    return mlp(shape, classes, widths)


def _of_tokens(name: str, shape: Sequence[int], classes: int, width: float, sequences: Sequences | None) -> nn.Module:
    """The network `name` for sequences of tokens."""
    if len(shape) != 1 or sequences is None:
        raise SettingError("model", name, f"needs sequences (T,) of whole numbers, the data are {tuple(shape)}")
    units, tokens = int(width), sequences.tokens
    if units != width or units < 2:
        raise SettingError("model.width", width, f"is the units of {name}: a whole number of at least 2, as 128")
    if name == "modular_mlp":
        if sequences.everywhere:
            raise SettingError("model", name, "gives one output for a whole sequence, and these data need one a token")
        _check_memory("width", units, (tokens + 2 * units + classes) * sequences.embedding)
        return ModularMlp(tokens, classes, sequences.embedding, units)
    depth, heads = sequences.depth, sequences.heads
    if units % heads:
        raise SettingError("model.heads", heads, f"must divide model.width={units}")
    _check_memory("width", units, (12 * depth * units + tokens + shape[0] + classes) * units)
    return Transformer(tokens, classes, shape[0], depth, units, heads, sequences.everywhere)


def _check_memory(key: str, value: object, weights: int) -> None:
    """Raises SettingError where so many weights are more than this machine holds."""
    if 4 * weights > memory():
        problem = f"the weights would take {4 * weights / 1e9:,.0f} GB, and this machine has {memory() / 1e9:,.0f} GB"
        raise SettingError(f"model.{key}", value, problem)
