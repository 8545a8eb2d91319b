"""The plan of iterative magnitude pruning: what is trained, at which levels, and how many trainings that is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

from lth.core.errors import SettingError
from lth.lottery.arms import each_level
from lth.lottery.iterate import check_way
from lth.pruning.rewiring import Rewiring
from lth.pruning.schedule import Pruning
from lth.training.recipe import Duration, Recipe


@dataclass(frozen=True)
class ImpPlan:
    """How to train and prune, how deep, from which weights, and which arms to train at which levels.

    rewind: the iteration that every level starts from; arm_levels: the levels that controls are trained at (None: all
    from 1); draws: the repeats of random arms; rewiring: how `set` and `rigl` change their masks, in iterations;
    iterate: what levels go on with, one of `lth.lottery.iterate.WAYS`; finetune_lr: the rate that `finetune` holds, the
    arm and the way (None: as `Plan.held` says); finetune_length: how long the way `finetune` trains (None: as long as
    from the rewind point to the end).

    >>> ImpPlan(Recipe(), Pruning(), levels=3, arms=("ticket", "reinit"), draws=2).trainings
    10
    """

    recipe: Recipe
    pruning: Pruning
    levels: int
    rewind: Duration = 0
    arms: Sequence[str] = ("ticket",)
    arm_levels: Sequence[int] | None = None
    draws: int = 1
    rewiring: Rewiring = field(default_factory=Rewiring)
    finetune_lr: float | None = None
    iterate: str = "weights"
    finetune_length: Duration | None = None

    def __post_init__(self) -> None:
        check_way(self.iterate, self.pruning)
        if self.finetune_lr is not None and not 0 < self.finetune_lr < inf:
            raise SettingError("finetune_lr", self.finetune_lr, "must be above 0, or null")

    @property
    def control_levels(self) -> Sequence[int]:
        """The levels that controls are trained at."""
        return range(1, self.levels + 1) if self.arm_levels is None else self.arm_levels

    @property
    def trainings(self) -> int:
        """The number of trainings, without the one up to the rewind point."""
        controlled = len(set(self.control_levels))
        tickets = controlled if self.pruning.levels_apart else self.levels
        if self.pruning.schedule == "gradual":  # one training finds the mask, another trains the ticket
            tickets *= 2
        return 1 + tickets + controlled * each_level(self.arms, self.draws)
