"""Exact selection: a given number of weights stays, never one more or less, and what is pruned never returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lth.core.errors import LotteryError
from lth.core.weights import Mask
from lth.pruning.granularity import CHANNELS, axis_of, blocks, parts_of
from lth.pruning.mask import shuffled

if TYPE_CHECKING:
    from lth.pruning.mask import Layer
    from lth.pruning.schedule import Pruning


def highest(scores: Tensor, alive: Tensor, keep: int) -> Tensor:
    """The mask of the `keep` highest scores among the `alive` entries; of equal scores the later positions stay.

    scores, alive: of the same shape (any); the result is bool, of that shape. Raises LotteryError where fewer than
    `keep` are alive, or a score is not a number.

    >>> highest(torch.tensor([1.0, 3.0, 3.0, 9.0]), torch.tensor([True, True, True, False]), keep=1)
    tensor([False, False,  True, False])
    """
    places = alive.flatten().nonzero().flatten()  # (alive,)
    if not 0 <= keep <= len(places):
        raise LotteryError(f"cannot keep {keep} of {len(places)} weights")
    values = scores.flatten()[places]
    if values.isnan().any():
        raise LotteryError("a score is NaN: the weights that it was computed from have diverged")
    stay = places[torch.argsort(values, stable=True)[len(places) - keep :]]
    result = torch.zeros(alive.numel(), dtype=torch.bool)
    result[stay] = True
    return result.reshape(alive.shape)


def layerwise(scores: Mapping[str, Tensor], mask: Mapping[str, Tensor], keep: Mapping[str, int]) -> Mask:
    """The mask of the `keep[name]` highest scores of each layer, among those that `mask` keeps."""
    return {name: highest(scores[name].cpu(), alive.cpu(), keep[name]) for name, alive in mask.items()}


def global_(scores: Mapping[str, Tensor], mask: Mapping[str, Tensor], keep: int) -> Mask:
    """The mask of the `keep` highest scores over all layers, among those that `mask` keeps."""
    joined = highest(
        torch.cat([scores[name].cpu().flatten() for name in mask]),
        torch.cat([alive.cpu().flatten() for alive in mask.values()]),
        keep,
    )
    parts = joined.split([alive.numel() for alive in mask.values()])
    return {name: part.reshape(mask[name].shape) for name, part in zip(mask, parts, strict=True)}


def in_blocks(scores: Tensor, alive: Tensor, keep: int, size: int, axis: int = 1) -> Tensor:
    """The mask of the `keep` highest of every `size` consecutive entries along `axis`, among the `alive` ones.

    scores, alive: such as (out, in, ...), where `size` divides in. A block with fewer alive entries keeps them all; of
    equal scores the later positions stay. The result is bool, of the same shape.
    """
    rows = scores.movedim(axis, -1)  # a block runs over input channels, at one position of the kernel
    living = alive.movedim(axis, -1)
    if rows[living].isnan().any():
        raise LotteryError("a score is NaN: the weights that it was computed from have diverged")
    values = torch.where(living, rows.double(), -torch.inf).reshape(-1, size)
    order = torch.argsort(values, dim=1, stable=True)
    order = order.gather(1, torch.argsort(living.reshape(-1, size).gather(1, order).int(), dim=1, stable=True))
    chosen = torch.zeros(values.shape, dtype=torch.bool).scatter_(1, order[:, size - keep :], True)
    return (chosen.reshape(rows.shape) & living).movedim(-1, axis).contiguous()


def _shuffled_blocks(alive: Tensor, size: int, generator: torch.Generator, axis: int) -> Tensor:
    """`alive`, such as (out, in, ...), with every `size` consecutive entries along `axis` in a new order."""
    rows = alive.movedim(axis, -1)
    lined = rows.reshape(-1, size)
    order = torch.rand(lined.shape, generator=generator).argsort(1)
    return lined.gather(1, order).reshape(rows.shape).movedim(-1, axis).contiguous()


def norms(scores: Tensor, axis: int, n: float) -> Tensor:
    """The L_n norm of every slice of `scores` at `axis`: (channels,).

    Of scores of both signs it is that of sums with sign: sign(s) |s|^n summed, its root with its sign; for n = inf the
    one of largest magnitude. So `small_final`, whose scores are negative, keeps the channels of the smallest norm.
    """
    slices = scores.movedim(axis, 0).flatten(1)
    if not (slices < 0).any():
        norm: Tensor = torch.linalg.vector_norm(slices, n, dim=1)
        return norm
    if n == torch.inf:
        return slices.gather(1, slices.abs().argmax(1, keepdim=True)).squeeze(1)
    sums = (slices.sign() * slices.abs() ** n).sum(1)
    return sums.sign() * sums.abs() ** (1 / n)


@dataclass(frozen=True)
class Selection:
    """Which units are selected, and which of them compete. Plain data: it is part of a training's fingerprint.

    parts: the layers of each part; granularity: as in `Pruning`; axes: the channel axis by layer, for `N:M` that
    of the blocks where it is not 1; norm: p of the norm of a channel's scores.
    """

    parts: dict[str, list[str]]
    granularity: str = "weight"
    axes: dict[str, int] = field(default_factory=dict)
    norm: float = 2.0

    def count(self, mask: Mapping[str, Tensor]) -> dict[str, int]:
        """How many units of each part `mask` keeps, as level counts have them; for `N:M` it is M."""
        if n_of_m := blocks(self.granularity):
            return dict.fromkeys(self.parts, n_of_m[1])
        return {part: sum(int(self.alive(x, mask[x]).sum()) for x in names) for part, names in self.parts.items()}

    def alive(self, name: str, mask: Tensor) -> Tensor:
        """Which units of the layer `name` have a weight left: bool, of the weight's shape or (channels,)."""
        return mask.movedim(self.axes[name], 0).flatten(1).any(1) if self.granularity in CHANNELS else mask

    def choose(self, scores: Mapping[str, Tensor], mask: Mapping[str, Tensor], keep: Mapping[str, int]) -> Mask:
        """The mask of the `keep` units of each part with the highest scores, among those that `mask` keeps."""
        scores, mask = ({name: tensors[name].cpu() for name in mask} for tensors in (scores, mask))
        selected: Mask = {}
        for part, names in self.parts.items():
            if n_of_m := blocks(self.granularity):
                for name in names:
                    along = self.axes.get(name, 1)
                    selected[name] = in_blocks(scores[name], mask[name], keep[part], n_of_m[1], along)
            else:
                units = {name: self._unit_scores(name, scores[name], mask[name]) for name in names}
                alive = {name: self.alive(name, mask[name]) for name in names}
                selected |= global_(units, alive, keep[part])
        return {name: self._weights(name, selected[name], mask[name]) for name in mask}

    def shuffled(self, mask: Mapping[str, Tensor], generator: torch.Generator) -> Mask:
        """`mask` with its units at new random positions within each layer; for `N:M`, within each block."""
        if n_of_m := blocks(self.granularity):
            axes = {name: self.axes.get(name, 1) for name in mask}
            return {name: _shuffled_blocks(kept, n_of_m[1], generator, axes[name]) for name, kept in mask.items()}
        if self.granularity not in CHANNELS:
            return shuffled(mask, generator)
        return {
            name: kept.index_select(axis, torch.randperm(kept.shape[axis], generator=generator))
            for name, kept, axis in ((name, kept.cpu(), self.axes[name]) for name, kept in mask.items())
        }

    def _unit_scores(self, name: str, scores: Tensor, mask: Tensor) -> Tensor:
        """A score for each unit: of a channel the norm of its weights' scores, without pruned ones."""
        if self.granularity not in CHANNELS:
            return scores
        return norms(torch.where(mask, scores, 0), self.axes[name], self.norm)

    def _weights(self, name: str, selected: Tensor, mask: Tensor) -> Tensor:
        """The weights of the `selected` units that `mask` keeps."""
        if self.granularity not in CHANNELS:
            return selected
        return mask & selected.reshape([-1 if axis == self.axes[name] else 1 for axis in range(mask.ndim)])


def selection_of(pruning: "Pruning", layers: Sequence["Layer"]) -> Selection:
    """How `pruning` selects among the weights of `layers`; SettingError where a layer has no such units."""
    parts = parts_of(pruning, [layer.name for layer in layers])
    axes = {layer.name: layer.along for layer in layers if layer.along != 1} if blocks(pruning.granularity) else {}
    if pruning.granularity in CHANNELS:
        axes = {layer.name: axis_of(layer, pruning.granularity) for layer in layers}
    return Selection(parts, pruning.granularity, axes, pruning.norm)
