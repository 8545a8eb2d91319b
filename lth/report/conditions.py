"""The conditions of a verdict: each holds, fails or is undecided, by an interval that lies on one side of its bound."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lth.core.tables import Row
from lth.lottery.iterate import WAYS, way_of
from lth.report.early_stop import censored_pairs
from lth.report.failures import Failures, failures
from lth.report.intervals import ByLevel, Interval

SEEDS = 3
"""Fewer distinct trainings decide nothing."""
DIGITS = 9
"""What lies beyond so many decimals of a difference is rounding, which decides nothing."""
NO_CONTROL = "was not run"

Answer = Literal["better", "equivalent", "no worse", "worse", "undecided"]


@dataclass(frozen=True)
class Part:
    """One condition: whether it holds (None: undecided), the interval that decides it, and why it is undecided.

    interval: of the advantage in the task's metric (points of a share, else its own unit; above 0 is better), or for
    `fast` of the logarithm of the ratio of early stops; None if not measured. p: twice the one-sided p against the
    condition; 1 where nothing speaks for it.
    """

    name: str
    holds: bool | None
    interval: Interval | None
    note: str = ""
    p: float = 1.0


def compared(interval: Interval, margin: float) -> Answer:
    """How an advantage compares, with the bound `margin`; fewer than 3 distinct trainings leave it undecided.

    better: all of the interval lies above 0; equivalent: within the margin on both sides; no worse: above the margin
    below 0; worse: below that.
    """
    if interval.n < SEEDS:
        return "undecided"
    if side_of(interval, 0.0):
        return "better"
    if side_of(interval, -margin):
        return "equivalent" if side_of(interval, margin) is False else "no worse"
    return "worse" if side_of(interval, -margin) is False else "undecided"


def side_of(interval: Interval, bound: float) -> bool | None:
    """True where the whole interval lies above `bound`, False where it lies below; None else, and for few seeds."""
    if interval.n < SEEDS:
        return None
    if interval.low is not None and round(interval.low - bound, DIGITS) > 0:
        return True
    return False if interval.high is not None and round(interval.high - bound, DIGITS) < 0 else None


def trains(tickets: Failures) -> Part:
    """Whether the ticket trains: it holds where none failed, and fails where all did."""
    if not tickets.failed:
        return Part("trains", True, None, p=0.0)
    lost = tickets.failed == tickets.n >= SEEDS
    return Part("trains", False if lost else None, None, str(tickets))


def above(name: str, interval: Interval | None, bound: float) -> Part:
    """The part that holds where the advantage lies above `bound`."""
    if interval is None:
        return Part(name, None, None, "no seed has both")
    few = interval.n < SEEDS
    return Part(name, side_of(interval, bound), interval, _few(interval), 1.0 if few else interval.p_above(bound))


def better(control: str, rows: Sequence[Row], interval: Interval | None) -> Part:
    """Whether the ticket is better than `control`. Failed trainings of a control are left out, which helps it.

    rows: of the level.
    """
    name = f"better than {control}"
    trainings = failures(row for row in rows if row["arm"] == control)
    if not trainings.n:
        return Part(name, None, None, NO_CONTROL)
    part = above(name, interval, 0.0)
    return replace(part, note=f"{control}: {trainings}") if trainings.failed and not part.holds else part


def fast(rows: Sequence[Row], level: int, speed: ByLevel, slower: float) -> Part:
    """Whether the ticket's early stop comes before `slower` times that of dense.

    Censored stops leave the ratio one bound: the ticket's a lower one, which can still say that it is slow; the dense
    network's an upper one, which can still say that it is fast. A ticket that goes on from trained weights says
    nothing.
    """
    if way_of(rows[0]) != WAYS[0]:
        return Part("fast", None, None, "levels go on from trained weights")
    if level not in speed:
        return Part("fast", None, None, "no early stop to compare")
    interval, bound = speed[level][1], math.log(slower)
    side = side_of(interval, bound)
    note = _few(interval)
    if side is None and interval.censored and not note:
        late = zip(("the ticket", "dense"), censored_pairs(rows, level), strict=True)
        note = f"early stop of {' and '.join(name for name, seeds in late if seeds)} censored"
    p = 1.0 if interval.n < SEEDS else interval.p_below(bound)
    return Part("fast", None if side is None else not side, interval, note, p)


def _few(interval: Interval) -> str:
    return "" if interval.n >= SEEDS else f"{interval.n} of at least {SEEDS} distinct trainings"
