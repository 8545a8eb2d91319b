"""How many inputs and outputs the units of a layer have, all of them or those that a mask leaves: its fans.

An initialiser gives a weight a variance in proportion to 1 / fan, so that the signal keeps its size.
"""

import torch
from torch import Tensor, nn

Layer = nn.Linear | nn.modules.conv._ConvNd
"""The modules that the initialisers draw; others draw by rules of their own."""


def dense_fans(layer: Layer) -> tuple[int, int]:
    """(fan-in, fan-out) of a linear (out, in) or convolution (out, in, *kernel) weight, transposed (in, out, *kernel).

    As in torch, the groups of a convolution reduce the side that lies second in its weight.

    >>> dense_fans(nn.Conv2d(3, 8, 5)), dense_fans(nn.ConvTranspose2d(3, 8, 5))
    ((75, 200), (75, 200))
    """
    field = layer.weight[0][0].numel()
    first, second = layer.weight.shape[0] * field, layer.weight.shape[1] * field
    if getattr(layer, "transposed", False):
        groups = int(layer.groups) if isinstance(layer, nn.modules.conv._ConvNd) else 1
        return first // groups, second * groups
    return second, first


def sparse_fans(layer: nn.Module, kept: Tensor) -> tuple[Tensor, Tensor]:
    """(inputs left to each output unit, outputs left to each input unit), float64, both of the shape of the weight.

    kept: the layer's mask. The unit of a convolution is a channel: its fan is the mask summed over the kernel and the
    channels of the other side (of its group).
    """
    groups, transposed = getattr(layer, "groups", 1), getattr(layer, "transposed", False)
    blocks = kept.double().reshape(groups, len(kept) // groups, kept.shape[1], -1)
    of_rows, of_columns = (blocks.sum(axes, keepdim=True).expand_as(blocks) for axes in ((2, 3), (1, 3)))
    fan_in, fan_out = (of_columns, of_rows) if transposed else (of_rows, of_columns)
    return fan_in.reshape(kept.shape), fan_out.reshape(kept.shape)


def fans_under(module: nn.Module, kept: Tensor) -> tuple[Tensor, Tensor] | None:
    """As `sparse_fans`, of a parameter of any other module; None for one of fewer than two dimensions.

    An output of an embedding reads one row, whatever the mask: its fan-in is 1, and the outputs of a word are its
    kept features. Of attention, recurrent layers and bare parameters, the rows of the first axis are units, and all
    further axes are inputs.
    """
    if kept.ndim < 2:
        return None
    if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        ones = torch.ones(kept.shape, dtype=torch.float64)
        return ones, kept.double().sum(1, keepdim=True).expand_as(ones)
    return sparse_fans(nn.Module(), kept)
