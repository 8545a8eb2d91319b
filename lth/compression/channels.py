"""Which channels belong together, by the dependency graph of Torch-Pruning (DepGraph; Fang et al. 2023).

A channel is an output of some layers (of several where a residual connection adds them) and an input of others. It can
only be removed from all of them at once.
"""

import copy
import importlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lth.compression.measure import Weighted
from lth.core.errors import LotteryError, SettingError
from lth.core.weights import Mask, modes_kept, shared_names
from lth.pruning.outputs import output_axes

Side = Literal["output", "input"]


@dataclass(frozen=True)
class Slices:
    """The slices of one layer's weight, by output or by input channel, that belong to a group of channels.

    indices[i] is the index of the i-th slice in the weight, channels[i] its channel in the group: after flattening, a
    channel has several inputs of a Linear layer.
    """

    layer: str
    side: Side
    indices: Tensor
    channels: Tensor

    def axis(self, transposed: Sequence[str]) -> int:
        """The dimension of the weight that the indices count in."""
        return int(self.side == "input") ^ int(self.layer in transposed)

    def select(self, weight: Tensor, transposed: Sequence[str]) -> Tensor:
        """The slices of `weight`, (slices, elements of each)."""
        return weight.movedim(self.axis(transposed), 0)[self.indices].flatten(1)


@dataclass(frozen=True)
class Group:
    """`size` channels, and every slice that is coupled with the outputs of the layer `root`."""

    root: str
    size: int
    slices: tuple[Slices, ...]

    def on(self, side: Side) -> list[Slices]:
        """The slices of the layers that output the channels, or of those that take them as input."""
        return [slices for slices in self.slices if slices.side == side]

    def pruned(self, mask: Mapping[str, Tensor], side: Side, transposed: Sequence[str]) -> Tensor:
        """bool (size,): the channels whose slices on that side are all pruned; none where it has no slices."""
        pruned = torch.ones(self.size, dtype=torch.bool)
        for slices in self.on(side):
            kept = mask.get(f"{slices.layer}.weight")
            alive = torch.ones(len(slices.indices), dtype=torch.bool)
            if kept is not None:
                alive = slices.select(kept.cpu(), transposed).any(1)
            pruned[slices.channels[alive]] = False
        return pruned if self.on(side) else torch.zeros(self.size, dtype=torch.bool)


def torch_pruning() -> Any:
    """The module torch_pruning; LotteryError with the command that installs it where it is missing."""
    try:
        return importlib.import_module("torch_pruning")
    except ImportError as error:
        raise LotteryError("torch-pruning is not installed: pip install 'lth[structured]'") from error


@contextmanager
def graph(model: nn.Module, example: Tensor) -> Iterator[Any]:
    """Torch-Pruning's dependency graph of `model`, traced with the first input of `example`.

    Within, every parameter requires a gradient.
    """
    library, frozen = torch_pruning(), [x for x in model.parameters() if not x.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(True)  # Torch-Pruning traces the gradient graph
    try:
        with modes_kept(model), torch.enable_grad():
            model.eval()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of parameters that are in no layer; the outputs are compared
                traced = library.DependencyGraph().build_dependency(model, example_inputs=example[:1])
            yield traced
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)


def slices_of(group: Any, names: Mapping[nn.Module, str], is_output: Callable[[Any], bool]) -> list[Slices]:
    """The slices of Linear layers and convolutions in a group of Torch-Pruning; LotteryError for grouped ones."""
    slices = []
    for item in group:
        layer = item.dep.target.module
        if isinstance(layer, Weighted) and layer in names:
            groups = getattr(layer, "groups", 1)
            if groups not in (1, getattr(layer, "out_channels", 1)):
                raise LotteryError(f"{names[layer]} has {groups} groups: its channels cannot be removed one by one")
            if groups > 1 and not is_output(item.dep.handler):
                continue  # in a depthwise convolution the input of a channel is its output's
            side: Side = "output" if is_output(item.dep.handler) else "input"
            indices, channels = (torch.tensor(x, dtype=torch.long) for x in (item.idxs, item.root_idxs))
            slices.append(Slices(names[layer], side, indices, channels))
    return slices


def coupled(model: nn.Module, example: Tensor) -> list[Group]:
    """The groups of coupled channels of `model` that some layer takes as input, without its inputs and outputs.

    example: inputs (N, ...), of which one is used. Raises LotteryError where Torch-Pruning is not installed, and for a
    grouped convolution.
    """
    groups = []
    names = {module: name for name, module in model.named_modules()}
    with graph(model, example) as traced:
        for group in traced.get_all_groups(root_module_types=[nn.modules.conv._ConvNd, nn.Linear]):
            root = group[0].dep.target.module
            slices = slices_of(group, names, traced.is_out_channel_pruning_fn)
            if any(x.side == "input" for x in slices):
                groups.append(Group(names[root], len(group[0].idxs), tuple(slices)))
    return groups


def transposed(model: nn.Module) -> list[str]:
    """The layers whose weight is (in, out, ...): transposed convolutions."""
    return [name for name, module in model.named_modules() if getattr(module, "transposed", False)]


def channel_mask(
    model: nn.Module,
    example: Tensor,
    share: float,
    *,
    norm: int = 2,
    round_to: int | None = None,
    ignore: Sequence[str] = (),
) -> Mask:
    """The mask that prunes the `share` of each group's channels with the smallest norm, p = 1 or 2, of their weights.

    The norm is Torch-Pruning's group norm: over every slice that outputs, normalises or takes a channel. A channel is
    pruned on both sides, so that removing it changes nothing. `round_to`: channels are kept in multiples of it.
    `ignore`: name patterns of layers whose outputs are kept; the classifier's always are. Raises SettingError for a
    value out of range, LotteryError where a layer would lose all channels, or shares its weight with another.
    """
    if not 0 < share < 1:
        raise SettingError("share", share, "must be between 0 and 1: some channels of a layer must stay")
    if norm not in (1, 2):
        raise SettingError("norm", norm, "must be 1 or 2")
    if round_to is not None and round_to < 1:
        raise SettingError("round_to", round_to, "must be at least 1")
    library, network = torch_pruning(), copy.deepcopy(model).requires_grad_(True).eval()
    with torch.enable_grad():
        pruner = library.pruner.BasePruner(
            network,
            example[:1],
            importance=library.importance.GroupMagnitudeImportance(p=norm),
            pruning_ratio=share,
            round_to=round_to,
            ignored_layers=ignored_layers(network, ignore, example),
        )
        mask = _without(network, pruner.step(interactive=True), pruner.DG.is_out_channel_pruning_fn)
    for name, kept in mask.items():
        if not kept.any():
            raise LotteryError(
                f"{name.removesuffix('.weight')} would lose all channels: give a smaller share, or ignore it"
            )
    return mask


def _without(model: nn.Module, groups: Iterable[Any], is_output: Callable[[Any], bool]) -> Mask:
    """The mask of `model` that prunes the slices of Torch-Pruning's `groups`; LotteryError for a shared weight."""
    names = {module: name for name, module in model.named_modules()}
    layers = {name: module for module, name in names.items() if isinstance(module, Weighted)}
    shared, across = shared_names(model.state_dict()), transposed(model)
    mask = {f"{name}.weight": torch.ones(x.weight.shape, dtype=torch.bool) for name, x in layers.items()}
    mask = {shared.get(name, name): kept for name, kept in mask.items()}
    for group in groups:
        for slices in slices_of(group, names, is_output):
            name = f"{slices.layer}.weight"
            if name in shared or name in shared.values():
                raise LotteryError(f"{slices.layer} shares its weight with another layer: ignore its neighbours")
            mask[name].movedim(slices.axis(across), 0)[slices.indices] = False
    return mask


def ignored_layers(model: nn.Module, patterns: Sequence[str], example: Tensor) -> list[nn.Module]:
    """The Linear layers and convolutions that match a pattern, and those that give the outputs for `example`."""
    layers = {name: module for name, module in model.named_modules() if isinstance(module, Weighted)}
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in layers):
            raise SettingError("ignore", pattern, f"matches none of {', '.join(layers)}")
    outputs = {id(model.get_parameter(name)) for name in output_axes(model, example)}
    return [
        module
        for name, module in layers.items()
        if any(id(parameter) in outputs for parameter in module.parameters())
        or any(fnmatchcase(name, pattern) for pattern in patterns)
    ]
