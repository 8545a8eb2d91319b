"""Scores: how much a weight matters. The lowest scores are pruned."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from lth.core.errors import SettingError
from lth.pruning.schedule import Pruning

Score = Callable[[Mapping[str, Tensor], torch.Generator], dict[str, Tensor]]
"""(trained weights by layer, generator of this level) -> a score by weight, of the same shapes."""


def magnitude(weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """|w| (Han et al. 2015; the score of Frankle & Carbin 2019)."""
    return {name: weight.abs() for name, weight in weights.items()}


def random(weights: Mapping[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """A uniform draw: which weights stay is left to chance, how many is not."""
    return {name: torch.rand(weight.shape, generator=generator) for name, weight in weights.items()}


SCORES: dict[str, Score] = {score.__name__: score for score in (magnitude, random)}


def check_score(pruning: Pruning) -> None:
    """Raises SettingError for a score that there is not."""
    if pruning.score not in SCORES:
        raise SettingError("pruning.score", pruning.score, f"must be one of {', '.join(SCORES)}")
