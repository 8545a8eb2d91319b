"""What it took to find a ticket: every training, and every score, that its mask and its rewind point come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from lth.compression.measure import iteration_flops
from lth.core.errors import LotteryError
from lth.data.tensors import Split

SEARCH = ("search_trainings", "search_iterations", "search_epochs", "search_flops", "search_seconds")
"""The columns of a table that say what a ticket took to find: see `SearchCost`."""


@dataclass(frozen=True)
class Pace:
    """Of every training alike: FLOPs of an iteration with dense kernels, forward and backward; iterations an epoch."""

    flops: float
    iterations: int


def pace_of(model: nn.Module, train: Split, batch_size: int) -> Pace:
    """The pace of trainings of `model` on batches of the training split."""
    flops = iteration_flops(model, train.images, train.labels, batch_size)
    return Pace(flops, max(1, len(train) // batch_size))


@dataclass(frozen=True)
class ScoreCost:
    """What a score that asks the network takes at one pruning.

    epochs: the examples that it looks at, as a share of the training split; flops: with dense kernels; seconds: on this
    machine.
    """

    epochs: float
    flops: float
    seconds: float


@dataclass(frozen=True)
class SearchCost:
    """trainings: to find the ticket, that to the rewind point counted as one; its own training is not among them.

    scores: how many prunings asked the network for a score. epochs: of the training iterations, and what those scores
    looked at. flops: of training iterations with dense kernels, forward
    and backward, and of those scores; evaluation is left out. seconds: as the trainings were measured, and as such a
    score takes now; where `estimated`, with the training to the rewind point, which no row holds, at the pace
    of level 0.
    """

    trainings: int
    scores: int
    iterations: int
    epochs: float
    flops: float
    seconds: float
    estimated: bool

    @property
    def columns(self) -> dict[str, Any]:
        """The values of the columns SEARCH."""
        return dict(
            zip(SEARCH, (self.trainings, self.iterations, self.epochs, self.flops, round(self.seconds, 3)), strict=True)
        )


def search_cost(
    rows: Sequence[Mapping[str, Any]], level: int, pace: Pace, scoring: ScoreCost | None = None
) -> SearchCost:
    """What the ticket of `level` took to find, by `rows` of `results.csv` of one setting and seed.

    Iterative pruning takes the trainings of levels 0 to `level` - 1, one-shot that of level 0 alone, a score at
    initialisation none. scoring: of the score, where it asks the network; None counts trainings alone. Raises
    LotteryError where a row is missing, rows are of several settings or seeds, or the mask came about within a training
    that no row holds (gradual pruning).
    """
    tickets = {row["level"]: row for row in rows if row["arm"] == "ticket" and row["draw"] in (0, None)}
    if len({(row["setting"], row["seed"]) for row in rows}) > 1:
        raise LotteryError("the rows are of several settings or seeds: the cost of a search is that of one")
    if level not in tickets:
        raise LotteryError(f"there is no ticket of level {level}; the rows have levels {sorted(tickets)}")
    schedule = tickets[level]["schedule"]
    if schedule.startswith("gradual") and level:
        raise LotteryError("schedule gradual: the cost of its search is not known, no row holds the training of a mask")
    count = 0 if schedule.endswith("at_init") else min(level, 1) if schedule.startswith("one_shot") else level
    needed = range(count)
    if missing := [number for number in needed if number not in tickets]:
        raise LotteryError(f"the ticket of level {level} comes from level {missing[0]}, which the rows do not have")
    trained = [tickets[number] for number in needed]
    rewind = tickets[level]["rewind"]
    iterations = sum(row["iterations"] - row["rewind"] for row in trained)
    seconds = sum(row["seconds"] for row in trained)
    if rewind and 0 in tickets:
        first = tickets[0]
        seconds += first["seconds"] / (first["iterations"] - first["rewind"]) * rewind
    total = iterations + rewind
    scores = 0 if scoring is None else level if schedule.startswith("iterative") else min(level, 1)
    taken = scoring or ScoreCost(0.0, 0.0, 0.0)
    return SearchCost(
        len(trained) + bool(rewind),
        scores,
        total,
        total / pace.iterations + scores * taken.epochs,
        total * pace.flops + scores * taken.flops,
        seconds + scores * taken.seconds,
        bool(rewind),
    )
