"""Masks that change during one training: when, and to which mask. Pure descriptions; the training loop applies them.

An update happens after a step: the step, the new mask, then the observers. What an update is made of is part of a
training's fingerprint.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from lth.core.weights import Mask, is_finite
from lth.pruning.gradual import GradualCounts, GradualPruning
from lth.pruning.rewiring import Rewiring, RigL, Set

__all__ = ["GradualCounts", "GradualPruning", "MaskUpdate", "Rewiring", "RigL", "Set", "UpdateContext"]

MaskUpdate = GradualPruning | GradualCounts | Set | RigL


@dataclass(frozen=True)
class UpdateContext:
    """A network after `iteration` steps, as an update sees it; tensors by layer of the mask, on the CPU.

    weights: the pruned ones are zero. rate: the learning rate of the next step over the recipe's. seed: of what is
    drawn. gradient: of the loss on a number of fixed training examples, by every weight, pruned or not. total: the
    iteration that the schedule ends at.
    """

    iteration: int
    mask: Mask
    weights: Mapping[str, Tensor]
    rate: float
    seed: int
    gradient: Callable[[int], Mapping[str, Tensor]]
    total: int

    @property
    def finite(self) -> bool:
        """Whether all weights are numbers: a network that diverged keeps its mask, and its next evaluation ends it."""
        return all(is_finite(weight) for weight in self.weights.values())
