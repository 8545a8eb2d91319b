"""Three ways to iterate: what a level goes on with, of the weights and the schedule of the level before.

Renda et al. 2020, section 2: rewind the weights and the schedule, the schedule alone, or neither. Imports no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lth.core.errors import SettingError
from lth.pruning.schedule import Pruning

if TYPE_CHECKING:
    from lth.core.weights import State
    from lth.training.run_spec import RunSpec

WAYS = ("weights", "lr", "finetune")
"""The ways, by the names that settings and results have for them."""
MEANINGS = {
    "weights": "weights and learning rate go back to the rewind point",
    "lr": "weights stay as trained, the learning rate goes back to the rewind point",
    "finetune": "weights stay as trained, at a low constant learning rate",
}
"""What each way does, in the middle of a sentence."""


def way_of(row: Mapping[str, Any]) -> str:
    """What levels rewind in the setting of a row of results; results that do not say rewind weights.

    >>> way_of({"iterate": "lr"}), way_of({"iterate": None}), way_of({})
    ('lr', 'weights', 'weights')
    """
    return row.get("iterate") or WAYS[0]


@dataclass(frozen=True)
class Iterate:
    """How the training of a level begins.

    way: one of WAYS. finetune_lr: the rate that `finetune` holds (None: as `Plan.held` says). finetune_length: the
    iterations that it trains for (None: as many as from the rewind point to the end).
    """

    way: str = "weights"
    finetune_lr: float | None = None
    finetune_length: int | None = None

    def training(self, spec: "RunSpec", source: "State") -> "RunSpec":
        """The training of the ticket: `spec` has its mask and the rewind point, `source` the weights that were scored.

        Buffers, and what the network keeps beside its weights, go along with the weights; the optimiser starts fresh.
        """
        if self.way == "weights":
            return spec
        if self.way == "lr":
            return replayed(spec, source)
        return tuned(spec, source, self.finetune_lr, self.finetune_length)


REWOUND = Iterate()
"""Weights and schedule are rewound."""


def replayed(spec: "RunSpec", source: "State") -> "RunSpec":
    """`spec` from the trained weights `source`, with its schedule and data order from the rewind point to the end."""
    return replace(spec, initial_state=source)


def tuned(spec: "RunSpec", source: "State", lr: float | None = None, length: int | None = None) -> "RunSpec":
    """`spec` from the trained weights `source`, for `length` iterations at the constant rate `lr`; see `Iterate`."""
    return replace(spec, initial_state=source, plan=spec.plan.held(lr, length))


def check_way(way: str, pruning: Pruning) -> None:
    """Raises SettingError for an unknown way, and for one that goes on from trained weights where there are none."""
    if way not in WAYS:
        raise SettingError("iterate", way, f"must be one of {', '.join(WAYS)}")
    if way == "weights":
        return
    if pruning.score_at == "init":
        problem = "goes on from trained weights, and with pruning.score_at=init the mask comes from none"
        raise SettingError("iterate", way, f"{problem}: use iterate=weights")
    if pruning.schedule == "gradual":
        problem = "goes on from one level to the next, and pruning.schedule=gradual prunes within a training"
        raise SettingError("iterate", way, f"{problem}: use iterative or one_shot")
