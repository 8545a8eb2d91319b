"""A smaller network with the same outputs: channels that a mask prunes completely are physically removed.

A channel that no layer takes as input can be removed at once. One whose own weights are pruned still carries a
constant, its bias after normalisation and activation: it can be removed where that constant is zero, or where the
layers that take it can add it to their bias. A convolution with zero padding cannot, since at the border the constant
is missing; there the channel stays. At the rewind point of a network with BatchNorm the constant is zero, after
training it seldom is; train under `whole_channels`, which prunes both sides of a channel, to be able to remove it.
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
from lth.core.weights import Mask, clone, load, shared_names, under_all_names


@dataclass(frozen=True)
class Removal:
    """channels: layer -> its output channels that are removed. stay: pruned channels that cannot be removed."""

    channels: dict[str, list[int]]
    stay: int = 0

    @property
    def count(self) -> int:
        """How many channels are removed."""
        return sum(map(len, self.channels.values()))


def whole_channels(model: nn.Module, mask: Mapping[str, Tensor], example: Tensor) -> Mask:
    """`mask`, with every channel that it prunes on one side (output or input) pruned on the other side too.

    A network trained under it can be shrunk to exactly the same outputs, whatever its biases learn. example: inputs
    (N, ...), of which one is used.
    """
    extended, across = {name: kept.clone() for name, kept in mask.items()}, transposed(model)
    shared = shared_names(model.state_dict())
    masks = under_all_names(mask, shared)
    for group in coupled(copy.deepcopy(model), example):
        pruned = group.pruned(masks, "output", across) | group.pruned(masks, "input", across)
        for slices in group.slices:
            name = f"{slices.layer}.weight"
            if (kept := extended.get(shared.get(name, name))) is not None:
                kept.movedim(slices.axis(across), 0)[slices.indices[pruned[slices.channels]]] = False
    return extended


def removal(model: nn.Module, mask: Mapping[str, Tensor], example: Tensor) -> Removal:
    """The channels that can be removed from `model` under `mask`, at its present weights, with the same outputs.

    example: inputs (N, ...), of which one suffices. Raises LotteryError where a layer would lose all channels, and
    where Torch-Pruning is not installed.
    """
    network = _masked(model, mask)
    groups, across, channels, stay = coupled(network, example), transposed(network), dict[str, list[int]](), 0
    constants = _inputs(network, _with_noise(example))
    masks = under_all_names(mask, shared_names(network.state_dict()))
    for group in groups:
        unread, unmade = group.pruned(masks, "input", across), group.pruned(masks, "output", across)
        if unread.all() or unmade.all():
            raise LotteryError(f"{group.root} would lose all channels: the mask keeps none of its {group.size}")
        foldable = unmade & ~unread & _foldable(network, group, constants)
        removed = unread | foldable
        stay += int((unmade & ~removed).sum())
        if removed.any():
            channels[group.root] = removed.nonzero().flatten().tolist()
    return Removal(channels, stay)


@torch.no_grad()
def shrunk(model: nn.Module, mask: Mapping[str, Tensor], example: Tensor, removed: Removal | None = None) -> nn.Module:
    """A copy of `model` under `mask` without the channels `removed` (None: all that can be), with the same outputs.

    The same `removed` serves the rewound weights and, after training, the trained ones: both small networks then have
    the same shapes. example: inputs (N, ...), on which the outputs are compared. Raises LotteryError where they differ,
    for a channel of a weight that layers share, and what `removal` raises.
    """
    network = _masked(model, mask)
    removed = removal(model, mask, example) if removed is None else removed
    example = _with_noise(example)
    expected, across = network(example), transposed(network)
    constants, shared = _inputs(network, example), shared_names(network.state_dict())
    masks = under_all_names(mask, shared)
    for group in coupled(network, example):
        if group.root in removed.channels:
            channels = torch.zeros(group.size, dtype=torch.bool)
            channels[removed.channels[group.root]] = True
            _fold(network, group, channels & ~group.pruned(masks, "input", across), constants)
    frozen = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    with graph(network, example) as traced:
        for root, indices in removed.channels.items():
            layer = network.get_submodule(root)
            prune: Callable[..., Any] = traced.get_pruner_of_module(layer).prune_out_channels
            traced.get_pruning_group(layer, prune, indices).prune()
    for name, first in shared.items():
        if shared_names(network.state_dict()).get(name) != first:
            raise LotteryError(f"{name} is {first} too: channels of a weight that layers share cannot be removed")
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name not in frozen)
        parameter.grad = None
    outputs = network(example)
    difference = float((outputs - expected).abs().max()) if outputs.shape == expected.shape else float("inf")
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


def _with_noise(example: Tensor) -> Tensor:
    """Up to four of `example` and as many inputs from N(0, 1): what is constant on both depends on no input."""
    few = example[:4]
    return torch.cat([few, torch.randn(few.shape, generator=rng(0, "shrink")).to(few)])


def _inputs(network: nn.Module, example: Tensor) -> dict[str, Tensor]:
    """The inputs of each layer, by its name, when the network is given `example`: (N, inputs, ...)."""
    inputs: dict[str, Tensor] = {}
    with _recording(network, inputs), torch.no_grad():
        network(example)
    return inputs


@contextmanager
def _recording(network: nn.Module, recorded: dict[str, Tensor]) -> Iterator[None]:
    def hook_of(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(_: nn.Module, inputs: tuple[Any, ...]) -> None:
            recorded[name] = inputs[0].clone()

        return hook

    kinds = (nn.Linear, nn.modules.conv._ConvNd)
    hooks = [x.register_forward_pre_hook(hook_of(name)) for name, x in network.named_modules() if isinstance(x, kinds)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _values(layer: nn.Module, inputs: Tensor, indices: Tensor) -> Tensor:
    """(indices, values): all values of the input channels `indices` of `layer`."""
    axis = -1 if isinstance(layer, nn.Linear) else 1
    return inputs.movedim(axis, 0)[indices].flatten(1)


def _foldable(network: nn.Module, group: Group, inputs: Mapping[str, Tensor]) -> Tensor:
    """bool (channels,): whether every layer that takes the channel can add its constant to the bias."""
    foldable = torch.ones(group.size, dtype=torch.bool)
    for slices in group.on("input"):
        layer: Any = network.get_submodule(slices.layer)
        values = _values(layer, inputs[slices.layer], slices.indices)
        padded = getattr(layer, "padding_mode", "zeros") == "zeros" and any(getattr(layer, "padding", (0,)))
        constant = (values == values[:, :1]).all(1)
        bad = (values != 0).any(1) if padded or getattr(layer, "transposed", False) else ~constant
        foldable[slices.channels[bad]] = False
    return foldable


def _fold(network: nn.Module, group: Group, removed: Tensor, inputs: Mapping[str, Tensor]) -> None:
    """Adds the constants of the channels `removed` to the bias of each layer that takes them, in place."""
    for slices in group.on("input"):
        layer: Any = network.get_submodule(slices.layer)
        indices = slices.indices[removed[slices.channels]]
        constants = _values(layer, inputs[slices.layer], indices)[:, 0]
        if bool(constants.count_nonzero()):
            weight = layer.weight[:, indices].flatten(2).sum(2) if layer.weight.ndim > 2 else layer.weight[:, indices]
            added = weight @ constants
            layer.bias = nn.Parameter(added if layer.bias is None else layer.bias + added)
