"""The floor of an iteration: the matrix products and convolutions of a dense network alone."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lth.core.rng import rng
from lth.core.weights import modes_kept
from lth.training.run_spec import RunSpec

Product = Callable[[], Any]
ROUNDS = 3
"""How often each layout of a convolution is tried."""


def floor(spec: RunSpec) -> Iterator[None]:
    """The products of an iteration, without end: per layer forward, weight gradient and, but for the first, input's.

    Matrix products write to memory that is there already; each convolution has the faster of two layouts, channels
    first or last. Nothing else is done: no bias, activation, loss, optimiser, mask.
    """
    products = products_of(spec)
    while True:
        with torch.no_grad():
            for product in products:
                product()
        yield


def products_of(spec: RunSpec) -> list[Product]:
    """Every product of an iteration of the network of `spec`."""
    layers = layers_called(spec.model, spec.data.train.images[: spec.plan.batch_size])
    return [
        product
        for number, (layer, inputs, outputs) in enumerate(layers)
        for product in (
            convolutions(layer, inputs, outputs, number > 0)
            if isinstance(layer, nn.Conv2d)
            else matrix_products(layer, inputs, outputs, number > 0)
        )
    ]


def layers_called(model: nn.Module, images: Tensor) -> list[tuple[nn.Module, Sequence[int], Sequence[int]]]:
    """(layer, shape of its inputs, shape of its outputs) of every Linear and Conv2d, as a pass of `images` comes by."""
    layers: list[tuple[nn.Module, Sequence[int], Sequence[int]]] = []
    hooks = [
        module.register_forward_hook(
            lambda layer, inputs, outputs: layers.append((layer, tuple(inputs[0].shape), tuple(outputs.shape)))
        )
        for module in model.modules()
        if isinstance(module, (nn.Linear, nn.Conv2d))
    ]
    try:
        with torch.no_grad(), modes_kept(model):
            model.eval()
            model(images)
    finally:
        for hook in hooks:
            hook.remove()
    return layers


def matrix_products(layer: Any, inputs: Sequence[int], outputs: Sequence[int], backward: bool) -> list[Product]:
    """The two or three matrix products of a Linear layer."""
    below, above = (torch.randn(tuple(shape), generator=rng(0, "floor")) for shape in (inputs, outputs))
    weight = layer.weight.detach().clone()
    pairs = [(below, weight.t()), (above.t(), below)] + [(above, weight)] * backward
    return [partial(torch.mm, left, right, out=torch.empty(left.shape[0], right.shape[1])) for left, right in pairs]


def convolutions(layer: Any, inputs: Sequence[int], outputs: Sequence[int], backward: bool) -> list[Product]:
    """The two or three convolutions of a Conv2d layer, in the layout that is faster; its gradients are one call."""
    return min((_convolutions(layer, inputs, outputs, backward, last) for last in (False, True)), key=_seconds)


def _convolutions(
    layer: Any, inputs: Sequence[int], outputs: Sequence[int], backward: bool, channels_last: bool
) -> list[Product]:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    below, above = (
        torch.randn(tuple(shape), generator=rng(0, "floor")).to(memory_format=layout) for shape in (inputs, outputs)
    )
    weight = layer.weight.detach().clone().to(memory_format=layout)
    how = (layer.stride, layer.padding, layer.dilation)
    forward = partial(torch.ops.aten.convolution, below, weight, None, *how, False, (0, 0), layer.groups)
    wanted = (backward, True, False)
    back = torch.ops.aten.convolution_backward
    return [forward, partial(back, above, below, weight, None, *how, False, (0, 0), layer.groups, wanted)]


def _seconds(products: Sequence[Product]) -> float:
    """The least time that `products` take, of a few rounds."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for product in products:
            product()
        rounds.append(time.perf_counter() - began)
    return min(rounds)
