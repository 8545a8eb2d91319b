"""Exact selection: so many weights stay, never one more or less, and what is pruned never returns."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lth.core.errors import LotteryError
from lth.core.weights import Mask


def highest(scores: Tensor, alive: Tensor, keep: int) -> Tensor:
    """Of the `alive` entries, a mask of the `keep` with the highest scores; among equals, later places stay.

    scores, alive: one shape (any); the result is bool of that shape. Raises LotteryError where fewer than `keep`
    are alive or a score is not a number.
    """
    places = alive.flatten().nonzero().flatten()  # (alive,)
    if not 0 <= keep <= len(places):
        raise LotteryError(f"cannot keep {keep} of {len(places)} weights")
    values = scores.flatten()[places]
    if values.isnan().any():
        raise LotteryError("a score is not a number (NaN); the weights that it was taken from have diverged")
    stay = places[torch.argsort(values, stable=True)[len(places) - keep :]]
    result = torch.zeros(alive.numel(), dtype=torch.bool)
    result[stay] = True
    return result.reshape(alive.shape)


def layerwise(scores: Mapping[str, Tensor], mask: Mapping[str, Tensor], keep: Mapping[str, int]) -> Mask:
    """The mask that keeps the `keep[name]` highest scores of each layer, out of those that `mask` keeps."""
    return {name: highest(scores[name].cpu(), alive.cpu(), keep[name]) for name, alive in mask.items()}


def global_(scores: Mapping[str, Tensor], mask: Mapping[str, Tensor], keep: int) -> Mask:
    """The mask that keeps the `keep` highest scores over all layers together, out of those that `mask` keeps."""
    together = highest(
        torch.cat([scores[name].cpu().flatten() for name in mask]),
        torch.cat([alive.cpu().flatten() for alive in mask.values()]),
        keep,
    )
    parts = together.split([alive.numel() for alive in mask.values()])
    return {name: part.reshape(mask[name].shape) for name, part in zip(mask, parts, strict=True)}
