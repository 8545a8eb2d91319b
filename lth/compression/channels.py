"""Which channels hang together: by the dependency graph of Torch-Pruning (Fang et al. 2023, DepGraph).

A channel is made by the outputs of some layers (several where a residual adds them) and read as an input by others. It
can be removed only from all of them at once.
"""

import copy
import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lth.compression.measure import Weighted
from lth.core.errors import LotteryError, SettingError
from lth.core.weights import Mask, modes_kept

Side = Literal["makes", "reads"]


@dataclass(frozen=True)
class Slices:
    """The rows (`makes`) or columns (`reads`) of one layer's weight that belong to a group of channels.

    places[i] is where in the layer the i-th lies, channels[i] which of the group's channels it is: a channel that was
    flattened has several columns.
    """

    layer: str
    side: Side
    places: Tensor
    channels: Tensor

    def of(self, weight: Tensor, transposed: bool) -> Tensor:
        """Those slices of `weight`, (slices, the rest)."""
        axis = int(self.side == "reads") ^ int(transposed)
        return weight.movedim(axis, 0)[self.places].flatten(1)


@dataclass(frozen=True)
class Group:
    """`size` channels, all that is coupled with the outputs of the layer `root`."""

    root: str
    size: int
    slices: tuple[Slices, ...]

    def on(self, side: Side) -> list[Slices]:
        """The slices that make the channels, or those that read them."""
        return [found for found in self.slices if found.side == side]

    def whole(self, mask: Mapping[str, Tensor], side: Side, transposed: Sequence[str]) -> Tensor:
        """bool (size,): the channels of which `mask` keeps nothing on that side; none where nothing is there."""
        pruned = torch.ones(self.size, dtype=torch.bool)
        for found in self.on(side):
            kept = mask.get(f"{found.layer}.weight")
            alive = torch.ones(len(found.places), dtype=torch.bool)
            if kept is not None:
                alive = found.of(kept.cpu(), found.layer in transposed).any(1)
            pruned[found.channels[alive]] = False
        return pruned if self.on(side) else torch.zeros(self.size, dtype=torch.bool)


def torch_pruning() -> Any:
    """The library; LotteryError with the command that installs it."""
    try:
        return importlib.import_module("torch_pruning")
    except ImportError as error:
        raise LotteryError("torch-pruning is not installed: pip install 'lth[structured]'") from error


@contextmanager
def graph(model: nn.Module, example: Tensor) -> Iterator[Any]:
    """Within, Torch-Pruning's dependency graph of `model`, traced on the first of `example`, all gradients on."""
    library, frozen = torch_pruning(), [x for x in model.parameters() if not x.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(True)  # the result follows gradients
    try:
        with modes_kept(model), torch.enable_grad():
            model.eval()
            yield library.DependencyGraph().build_dependency(model, example_inputs=example[:1])
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)


def slices_of(group: Any, names: Mapping[nn.Module, str], makes: Any) -> list[Slices]:
    """What a group of Torch-Pruning holds of Linear layers and convolutions; LotteryError for grouped ones."""
    found = []
    for item in group:
        layer = item.dep.target.module
        if isinstance(layer, Weighted) and layer in names:
            groups = getattr(layer, "groups", 1)
            if groups not in (1, getattr(layer, "out_channels", 1)):
                raise LotteryError(f"{names[layer]} has {groups} groups: its channels are not removed one by one")
            if groups > 1 and not makes(item.dep.handler):
                continue  # each channel of a depthwise convolution reads itself
            side: Side = "makes" if makes(item.dep.handler) else "reads"
            places, channels = (torch.tensor(x, dtype=torch.long) for x in (item.idxs, item.root_idxs))
            found.append(Slices(names[layer], side, places, channels))
    return found


def coupled(model: nn.Module, example: Tensor) -> list[Group]:
    """The groups of coupled channels of `model` that some layer reads; its inputs and outputs are in none."""
    found = []
    names = {module: name for name, module in model.named_modules()}
    with graph(model, example) as traced:
        for group in traced.get_all_groups(root_module_types=[nn.modules.conv._ConvNd, nn.Linear]):
            root = group[0].dep.target.module
            slices = slices_of(group, names, traced.is_out_channel_pruning_fn)
            if any(x.side == "reads" for x in slices):
                found.append(Group(names[root], len(group[0].idxs), tuple(slices)))
    return found


def transposed(model: nn.Module) -> list[str]:
    """The layers whose weight lies (in, out, ...)."""
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
    """The mask without the `share` of channels of each group whose weights have the smallest norm, p = 1 or 2.

    Importance is Torch-Pruning's group norm: over all that makes, normalises or reads a channel. Both sides of a
    channel are pruned, so that removing it changes nothing. `round_to`: channels are kept in multiples of it.
    `ignore`: name patterns of layers whose outputs stay, the classifier always. Raises SettingError for a value out of
    range, LotteryError where a layer would be removed whole.
    """
    if not 0 < share < 1:
        raise SettingError("share", share, "must be between 0 and 1: the channels of a layer cannot all go")
    if norm not in (1, 2):
        raise SettingError("norm", norm, "must be 1 or 2")
    if round_to is not None and round_to < 1:
        raise SettingError("round_to", round_to, "must be at least 1")
    library, network = torch_pruning(), copy.deepcopy(model).requires_grad_(True).eval()
    names = {module: name for name, module in network.named_modules()}
    ignored = ignored_layers(network, ignore)
    mask = {
        f"{name}.weight": torch.ones(module.weight.shape, dtype=torch.bool)
        for module, name in names.items()
        if isinstance(module, Weighted)
    }
    with torch.enable_grad():
        pruner = library.pruner.BasePruner(
            network,
            example[:1],
            importance=library.importance.GroupMagnitudeImportance(p=norm),
            pruning_ratio=share,
            round_to=round_to,
            ignored_layers=ignored,
        )
        for group in pruner.step(interactive=True):
            for found in slices_of(group, names, pruner.DG.is_out_channel_pruning_fn):
                weight = mask[f"{found.layer}.weight"]
                axis = int(found.side == "reads") ^ int(found.layer in transposed(network))
                weight.movedim(axis, 0)[found.places] = False
    for name, kept in mask.items():
        if not kept.any():
            raise LotteryError(f"{name.removesuffix('.weight')} would be removed whole; a smaller share, or ignore it")
    return mask


def ignored_layers(model: nn.Module, patterns: Sequence[str]) -> list[nn.Module]:
    """The Linear layers and convolutions that a pattern names, and the last Linear defined."""
    layers = {name: module for name, module in model.named_modules() if isinstance(module, Weighted)}
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in layers):
            raise SettingError("ignore", pattern, f"matches none of {', '.join(layers)}")
    last = [module for module in layers.values() if isinstance(module, nn.Linear)][-1:]
    return last + [layers[name] for name in layers if any(fnmatchcase(name, pattern) for pattern in patterns)]
