"""A narrower network of the same architecture, with as many weights as a ticket keeps."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn

from lth.core.errors import SettingError
from lth.core.keeping import copied
from lth.core.weights import Mask, shared_names
from lth.pruning.mask import kept, prunable

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def narrowed(model: nn.Module, weights: int) -> nn.Module:
    """`model` with every hidden width scaled by one factor, so that it has as nearly as possible `weights` weights.

    A width is at least 1, and may be one unit more than the factor gives. The weights of Linear and convolution layers
    count, biases do not. Evci et al. 2022 scale by one factor, too (their code: for a 95% sparse LeNet5 about the
    square root of 1/20). The weights are zero until they are drawn. Raises SettingError where `model` is not a plain
    sequence of layers, or where one unit for each layer already has more weights.

    >>> small = narrowed(nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 2)), 30)
    >>> [layer.out_features for layer in small if isinstance(layer, nn.Linear)]
    [3, 2]
    """
    chain = _chain(model)
    widths = [_sides(layer)[1] for layer in _weighted(chain)[:-1]]

    def scaled(factor: float) -> list[int]:
        return [max(1, round(factor * width)) for width in widths]

    def distance(scaled_widths: Sequence[int]) -> int:
        return abs(_count(chain, scaled_widths) - weights)

    if (least := _count(chain, scaled(0))) > weights:
        problem = f"one unit a layer has {least:,} weights, more than the {weights:,} that the mask keeps"
        raise SettingError("arms", "small_dense", problem)
    low, high = 0.0, 1.0
    for _ in range(40):  # the count grows with the factor
        middle = (low + high) / 2
        low, high = (middle, high) if _count(chain, scaled(middle)) <= weights else (low, middle)
    candidates = [scaled(low), scaled(high)]
    for candidate in candidates:
        for place in range(len(candidate)):
            wider = [width + (place == n) for n, width in enumerate(candidate)]
            if distance(wider) < distance(candidate):
                candidate[place] += 1
    return resized(model, min(candidates, key=distance))


def resized(model: nn.Module, widths: Sequence[int]) -> nn.Module:
    """`model` with the hidden `widths` for its convolution and Linear layers, from first to last; its weights are zero.

    Raises SettingError where `model` is not a plain sequence of layers, or has another number of hidden layers.
    """
    hidden = len(_weighted(_chain(model))) - 1
    if len(widths) != hidden or min(widths, default=1) < 1:
        raise SettingError("widths", list(widths), f"must be {hidden} widths of at least 1")
    small = copied(model)
    for layer, inputs, outputs in list(_resizing(_chain(small), widths)):
        if isinstance(layer, NORMS):
            layer.num_features = outputs
        elif isinstance(layer, nn.Linear):
            layer.in_features, layer.out_features = inputs, outputs
        else:
            layer.in_channels, layer.out_channels = inputs, outputs
        for tensors in (layer._parameters, layer._buffers):
            for name, tensor in tensors.items():
                if tensor is not None and tensor.ndim:
                    shape = (outputs, inputs, *tensor.shape[2:]) if tensor.ndim > 1 else (outputs,)
                    zeros = tensor.new_zeros(shape)
                    setattr(layer, name, nn.Parameter(zeros) if isinstance(tensor, nn.Parameter) else zeros)
    return small


def weights_of(model: nn.Module, mask: Mask) -> int:
    """The Linear and convolution weights of `model` that `mask` keeps; those it does not name are all kept."""
    return sum(kept(mask).values()) + sum(layer.size for layer in prunable(model) if layer.name not in mask)


def _resizing(chain: Sequence[nn.Module], widths: Sequence[int]) -> Iterator[tuple[Any, int, int]]:
    """Each layer of `chain` that has weights, with its numbers of inputs and outputs under `widths`."""
    layers = _weighted(chain)
    new_outputs = iter([*widths, _sides(layers[-1])[1]])
    old = new = _sides(layers[0])[0]  # the outputs of the layer before, in the old and the new network
    for layer in chain:
        if isinstance(layer, NORMS):
            yield layer, new, new
        elif isinstance(layer, (*CONVOLUTIONS, nn.Linear)):
            inputs, outputs = _sides(layer)
            new_inputs, new = inputs // old * new, next(new_outputs)  # a flattened image has several inputs a channel
            yield layer, new_inputs, new
            old = outputs


def _count(chain: Sequence[nn.Module], widths: Sequence[int]) -> int:
    """The weights that the convolution and Linear layers of `chain` have under `widths`."""
    sides = [x for x in _resizing(chain, widths) if not isinstance(x[0], NORMS)]
    return sum(layer.weight[0, 0].numel() * inputs * outputs for layer, inputs, outputs in sides)


def _weighted(chain: Sequence[nn.Module]) -> list[Any]:
    return [layer for layer in chain if isinstance(layer, (*CONVOLUTIONS, nn.Linear))]


def _chain(model: nn.Module) -> list[nn.Module]:
    """The layers of a plain sequence in order; SettingError where the widths do not follow from layer to layer."""
    chain = list(_flat(model))
    unsuitable, before = [], None
    for layer in chain:
        known = isinstance(layer, (*CONVOLUTIONS, nn.Linear, *NORMS))
        if not known and (any(True for _ in layer.parameters()) or any(True for _ in layer.children())):
            unsuitable.append(layer)
        elif isinstance(layer, (*CONVOLUTIONS, nn.Linear)):
            inputs, outputs = _sides(layer)
            grouped = getattr(layer, "groups", 1) != 1
            if grouped or layer._parameters.get("weight") is None or (before is not None and inputs % before):
                unsuitable.append(layer)
            before = outputs
    if unsuitable or before is None:
        kind = type(unsuitable[0] if unsuitable else model).__name__
        problem = f"narrows only a plain sequence of Linear, convolution and BatchNorm layers; here is {kind}"
        raise SettingError("arms", "small_dense", problem)
    if shared := shared_names(model.state_dict()):
        name, first = next(iter(shared.items()))
        raise SettingError("arms", "small_dense", f"narrows no layers that share a weight; here {name} is {first}")
    return chain


def _flat(model: nn.Module) -> Iterator[nn.Module]:
    if type(model) is nn.Sequential:
        for child in model:
            yield from _flat(child)
    else:
        yield model


def _sides(layer: nn.Module) -> tuple[int, int]:
    """(inputs, outputs) of a layer: channels or units."""
    kind = "features" if isinstance(layer, nn.Linear) else "channels"
    return getattr(layer, f"in_{kind}"), getattr(layer, f"out_{kind}")
