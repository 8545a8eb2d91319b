"""A smaller network of the same outputs: channels that a mask prunes whole are physically removed.

A channel that nothing reads any more can go as it is. One that nothing makes any more still carries a constant, its
bias after norm and activation: it goes where that is zero, or where the layers that read it can take it over into their
bias. A convolution that pads with zeros cannot, since the constant is missing at the border: then the channel stays.
At the rewind point of a network with BatchNorm that constant is zero, and after training it seldom is; `whole_channels`
prunes both sides from the start.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lth.compression.channels import Group, coupled, graph, transposed
from lth.core.errors import LotteryError
from lth.core.rng import rng
from lth.core.weights import Mask, clone, load


@dataclass(frozen=True)
class Removal:
    """channels: by the layer that makes them, which go. stay: how many are pruned whole and cannot go."""

    channels: dict[str, list[int]]
    stay: int = 0

    @property
    def count(self) -> int:
        """How many channels go."""
        return sum(map(len, self.channels.values()))


def whole_channels(model: nn.Module, mask: Mapping[str, Tensor], example: Tensor) -> Mask:
    """`mask` with each channel that it prunes on one side, made or read, pruned on the other side, too.

    To be trained under: then the small network equals the masked one whatever the biases learn.
    """
    found, across = {name: kept.clone() for name, kept in mask.items()}, transposed(model)
    for group in coupled(copy.deepcopy(model), example):
        dead = group.whole(mask, "makes", across) | group.whole(mask, "reads", across)
        for slices in group.slices:
            if (kept := found.get(f"{slices.layer}.weight")) is not None:
                axis = int(slices.side == "reads") ^ int(slices.layer in across)
                kept.movedim(axis, 0)[slices.places[dead[slices.channels]]] = False
    return found


def removal(model: nn.Module, mask: Mapping[str, Tensor], example: Tensor) -> Removal:
    """The channels that can be removed from `model`, by its present weights under `mask`, with equal outputs.

    `example`: inputs (N, ...), of which one suffices. Raises LotteryError where a layer would be removed whole, and
    where Torch-Pruning is not installed.
    """
    network = _masked(model, mask)
    groups, across, channels, stay = coupled(network, example), transposed(network), dict[str, list[int]](), 0
    constants = _inputs(network, _and_noise(example))
    for group in groups:
        unread, unmade = group.whole(mask, "reads", across), group.whole(mask, "makes", across)
        if unread.all() or unmade.all():
            raise LotteryError(f"{group.root} would be removed whole: the mask keeps none of its {group.size} channels")
        movable = unmade & ~unread & _foldable(network, group, constants)
        gone = unread | movable
        stay += int((unmade & ~gone).sum())
        if gone.any():
            channels[group.root] = gone.nonzero().flatten().tolist()
    return Removal(channels, stay)


@torch.no_grad()
def shrunk(model: nn.Module, mask: Mapping[str, Tensor], example: Tensor, removed: Removal | None = None) -> nn.Module:
    """A copy of `model` under `mask` without the channels `removed` (None: all that can go), of equal outputs.

    The same `removed` serves the rewound weights and, after training, the trained ones: the small networks have the
    same shapes. The outputs are compared on `example`: raises LotteryError where they differ, and that of `removal`.
    """
    network = _masked(model, mask)
    removed = removal(model, mask, example) if removed is None else removed
    example = _and_noise(example)
    expected, across = network(example), transposed(network)
    constants = _inputs(network, example)
    for group in coupled(network, example):
        if group.root in removed.channels:
            gone = torch.zeros(group.size, dtype=torch.bool)
            gone[removed.channels[group.root]] = True
            _fold(network, group, gone & ~group.whole(mask, "reads", across), constants)
    frozen = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    with graph(network, example) as traced:
        for root, channels in removed.channels.items():
            layer = network.get_submodule(root)
            make: Callable[..., Any] = traced.get_pruner_of_module(layer).prune_out_channels
            traced.get_pruning_group(layer, make, channels).prune()
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name not in frozen)
        parameter.grad = None
    found = network(example)
    difference = float((found - expected).abs().max()) if found.shape == expected.shape else float("inf")
    if not difference <= 1e-4 * max(1.0, float(expected.abs().max())):
        raise LotteryError(
            f"the small network differs from the masked one by {difference:.2g}: biases of removed channels carry a"
            " constant; train under whole_channels(model, mask, example)"
        )
    return network.train(model.training)


def _masked(model: nn.Module, mask: Mapping[str, Tensor]) -> nn.Module:
    """A copy of `model` under `mask`, in evaluation mode."""
    network = copy.deepcopy(model).eval()
    shapes = {name: tensor.shape for name, tensor in network.named_parameters()}
    for name, kept in mask.items():
        if shapes.get(name) != kept.shape:
            raise LotteryError(f"the mask does not fit: the model has no {name} of shape {tuple(kept.shape)}")
    load(network, clone(network.state_dict()), mask)
    return network


def _and_noise(example: Tensor) -> Tensor:
    """Up to four of `example` and as many inputs of N(0, 1): what is constant for both does not depend on the input."""
    few = example[:4]
    return torch.cat([few, torch.randn(few.shape, generator=rng(0, "shrink")).to(few)])


def _inputs(network: nn.Module, example: Tensor) -> dict[str, Tensor]:
    """What reaches each layer for `example`, by name: (N, inputs, ...)."""
    seen: dict[str, Tensor] = {}
    with _listening(network, seen), torch.no_grad():
        network(example)
    return seen


@contextmanager
def _listening(network: nn.Module, seen: dict[str, Tensor]) -> Iterator[None]:
    def keep(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(_: nn.Module, inputs: tuple[Any, ...]) -> None:
            seen[name] = inputs[0].clone()

        return hook

    kinds = (nn.Linear, nn.modules.conv._ConvNd)
    hooks = [x.register_forward_pre_hook(keep(name)) for name, x in network.named_modules() if isinstance(x, kinds)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _values(layer: nn.Module, inputs: Tensor, places: Tensor) -> Tensor:
    """(places, values): all that reaches the inputs `places` of `layer`."""
    axis = -1 if isinstance(layer, nn.Linear) else 1
    return inputs.movedim(axis, 0)[places].flatten(1)


def _foldable(network: nn.Module, group: Group, inputs: Mapping[str, Tensor]) -> Tensor:
    """bool (channels,): whether every layer that reads a constant channel can take the constant into its bias."""
    able = torch.ones(group.size, dtype=torch.bool)
    for slices in group.on("reads"):
        layer: Any = network.get_submodule(slices.layer)
        values = _values(layer, inputs[slices.layer], slices.places)
        padded = getattr(layer, "padding_mode", "zeros") == "zeros" and any(getattr(layer, "padding", (0,)))
        constant = (values == values[:, :1]).all(1)
        bad = (values != 0).any(1) if padded or getattr(layer, "transposed", False) else ~constant
        able[slices.channels[bad]] = False
    return able


def _fold(network: nn.Module, group: Group, gone: Tensor, inputs: Mapping[str, Tensor]) -> None:
    """Adds what the constant channels `gone` give to the bias of each layer that reads them, in place."""
    for slices in group.on("reads"):
        layer: Any = network.get_submodule(slices.layer)
        places = slices.places[gone[slices.channels]]
        constants = _values(layer, inputs[slices.layer], places)[:, 0]
        if bool(constants.count_nonzero()):
            weight = layer.weight[:, places].flatten(2).sum(2) if layer.weight.ndim > 2 else layer.weight[:, places]
            added = weight @ constants
            layer.bias = nn.Parameter(added if layer.bias is None else layer.bias + added)
