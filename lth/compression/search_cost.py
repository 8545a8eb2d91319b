"""What it took to find a ticket: every training, and every score, that its mask and its rewind point come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lth.compression.tables import SEARCH
from lth.core.errors import LotteryError
from lth.core.tables import Row

if TYPE_CHECKING:  # torch: reports compute with what is measured
    from torch import nn

    from lth.data.tensors import Split


@dataclass(frozen=True)
class Pace:
    """flops: of one training iteration with dense kernels, forward and backward; iterations: of one epoch."""

    flops: float
    iterations: int


def pace_of(model: "nn.Module", train: "Split", batch_size: int) -> Pace:
    """The pace of every training of `model` on batches of the training split."""
    from lth.compression.measure import iteration_flops

    flops = iteration_flops(model, train, batch_size)
    return Pace(flops, max(1, len(train) // batch_size))


@dataclass(frozen=True)
class ScoreCost:
    """What one pruning by a score that needs the network costs.

    epochs: the examples that the score takes / training examples. flops: with dense kernels. seconds: on this machine.
    """

    epochs: float
    flops: float
    seconds: float


@dataclass(frozen=True)
class SearchCost:
    """What it took to find a ticket.

    trainings: the training to the rewind point counts as one, the ticket's own training is not counted. scores: how
    many prunings computed a score from the network. iterations: of the trainings. epochs: of the trainings, and of the
    examples that the scores took. flops: of training iterations with dense kernels, forward and backward, and of the
    scores; evaluation is left out. seconds: of the trainings as they were measured, evaluation included, and of the
    scores on this machine. estimated: the training to the rewind point has no row of its own, and its seconds are an
    estimate from the pace of level 0.
    """

    trainings: int
    scores: int
    iterations: int
    epochs: float
    flops: float
    seconds: float
    estimated: bool

    @property
    def row(self) -> Row:
        """The values of the columns of SEARCH."""
        values = (self.trainings, self.iterations, self.epochs, self.flops, round(self.seconds, 3))
        return dict(zip(SEARCH, values, strict=True))


def search_cost(
    rows: Sequence[Mapping[str, Any]], level: int, pace: Pace, score: ScoreCost | None = None
) -> SearchCost:
    """What it took to find the ticket of `level`, from the rows of `results.csv` of one setting and seed.

    Iterative pruning needs the trainings of levels 0 to `level` - 1, one-shot pruning that of level 0, and a score at
    initialisation none. score: the cost of the score at one pruning, where it needs the network. Raises LotteryError
    where a row is missing, where rows are of several settings or seeds, and for gradual pruning: the training that the
    mask comes from has no row.

    >>> about = {"setting": "s", "seed": 0, "arm": "ticket", "draw": 0, "schedule": "iterative", "rewind": 0}
    >>> rows = [about | {"level": level, "iterations": 1600, "seconds": 2.0} for level in range(4)]
    >>> cost = search_cost(rows, 3, Pace(flops=32e6, iterations=60))
    >>> cost.trainings, cost.iterations, cost.epochs
    (3, 4800, 80.0)
    """
    tickets, trained = _tickets(rows, level), chain(rows, level)
    schedule, rewind = tickets[level]["schedule"], tickets[level]["rewind"]
    seconds = sum(row["seconds"] for row in trained)
    if rewind and 0 in tickets:
        seconds += tickets[0]["seconds"] / (tickets[0]["iterations"] - tickets[0]["rewind"]) * rewind
    iterations = sum(row["iterations"] - row["rewind"] for row in trained) + rewind
    scores = 0 if score is None else level if schedule.startswith("iterative") else min(level, 1)
    score = score or ScoreCost(0.0, 0.0, 0.0)
    return SearchCost(
        len(trained) + bool(rewind),
        scores,
        iterations,
        iterations / pace.iterations + scores * score.epochs,
        iterations * pace.flops + scores * score.flops,
        seconds + scores * score.seconds,
        bool(rewind),
    )


def chain(rows: Sequence[Mapping[str, Any]], level: int) -> list[Row]:
    """The rows of the trainings that the ticket of `level` comes from, without the one up to the rewind point.

    Raises LotteryError as `search_cost` does.
    """
    tickets = _tickets(rows, level)
    schedule = tickets[level]["schedule"]
    if schedule.startswith("gradual") and level:
        raise LotteryError(
            "schedule gradual: the training that the mask comes from has no row: the cost of its search is not known"
        )
    count = 0 if schedule.endswith("at_init") else min(level, 1) if schedule.startswith("one_shot") else level
    if missing := [number for number in range(count) if number not in tickets]:
        raise LotteryError(f"the ticket of level {level} comes from level {missing[0]}, which the rows do not have")
    return [tickets[number] for number in range(count)]


def _tickets(rows: Sequence[Mapping[str, Any]], level: int) -> dict[int, Row]:
    """Level -> the row of its ticket; LotteryError for rows of several settings, and without a ticket of `level`."""
    if len({(row["setting"], row["seed"]) for row in rows}) > 1:
        raise LotteryError("the rows are of several settings or seeds: the cost of a search is that of one")
    tickets: dict[int, Row] = {row["level"]: dict(row) for row in rows if row["arm"] == "ticket" and not row["draw"]}
    if level not in tickets:
        raise LotteryError(f"there is no ticket of level {level}; the rows have levels {sorted(tickets)}")
    return tickets
