"""Is it a winning ticket? A verdict for each density, from paired 95% t intervals over seeds.

A ticket is winning if it is *matching* (its test accuracy is at most 0.5 points below that of the dense network of the
same seed), *fast* (its early stop comes before 1.1 times the dense network's) and more accurate than its controls,
reinit and shuffle. Each condition is decided if the entire interval lies on one side of its bound. The ticket is
winning if all conditions hold, not winning if one fails, and undecided otherwise. Fewer than 3 seeds decide nothing.
Every density has its own verdict: a scan over densities for the smallest winning ticket is not corrected.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lth.core.tables import Row
from lth.report.intervals import (
    DENSE,
    ByLevel,
    Interval,
    against_dense,
    censored_pairs,
    log_ratio_to_dense,
    paired,
)
from lth.report.statistics import accuracy_column, densities

SEEDS = 3
"""Fewer seeds decide nothing."""
MARGIN = -0.5
"""In points of test accuracy: a matching ticket's difference to the dense network lies above it."""
SLOWEST = 1.1
"""A winning ticket's early stop comes before this many times the dense network's."""
CONTROLS = ("reinit", "shuffle")
NO_CONTROL = "was not run"

Decision = Literal["winning", "not winning", "undecided"]


@dataclass(frozen=True)
class Part:
    """One condition: whether it holds (None: undecided), the interval that decides it, and why it is undecided.

    interval: in points of accuracy, or for `fast` the logarithm of the ratio of early stops; None if not measured.
    """

    name: str
    holds: bool | None
    interval: Interval | None
    note: str = ""


@dataclass(frozen=True)
class Verdict:
    """The verdict on the tickets of one level, and its conditions. n: how many seeds are compared with dense."""

    level: int
    density: float
    n: int
    decision: Decision
    parts: tuple[Part, ...]

    @property
    def matching(self) -> bool | None:
        """Whether the ticket is as accurate as the dense network within the margin; None if undecided."""
        return self.parts[0].holds

    @property
    def why(self) -> str:
        """The conditions that fail, or else those that are undecided; empty for a winning ticket."""
        if self.n < SEEDS:
            return f"{self.n} of at least {SEEDS} seeds"
        wanted = False if self.decision == "not winning" else None
        told = [_say(part) for part in self.parts if part.holds is wanted and part.note != NO_CONTROL]
        absent = [part.name.removeprefix("better than ") for part in self.parts if part.note == NO_CONTROL]
        return "; ".join([*told, *([f"no {' and '.join(absent)} to compare"] if absent and wanted is None else [])])

    @property
    def words(self) -> str:
        """The decision and why; a matching ticket that is not a winning one is called matching."""
        return worded(self.matching, self.decision, self.why)


def worded(matching: bool | None, decision: str, why: str) -> str:
    """A verdict in words: `matching; undecided: fast?`."""
    return f"{'matching; ' if matching and decision != 'winning' else ''}{decision}{': ' if why else ''}{why}"


def verdicts(rows: Sequence[Row]) -> dict[int, Verdict]:
    """Level -> verdict on its tickets, for each pruned level in `rows`, which are of one setting.

    The accuracy is that at the early stop, or at the end where there is no validation split (then nothing says how
    fast a ticket is, and none is winning).
    """
    column = accuracy_column(rows)
    dense, speed = against_dense(rows, "ticket", column), log_ratio_to_dense(rows, "ticket")
    controls = {arm: paired(rows, "ticket", arm, column) for arm in CONTROLS}
    found = {}
    for level in sorted({row["level"] for row in rows if row["arm"] == "ticket" and row["level"] != DENSE}):
        ran = {row["arm"] for row in rows if row["level"] == level}
        parts = (
            _above("matching", _points(dense, level), MARGIN),
            _fast(rows, level, speed),
            *(
                _above(f"better than {arm}", _points(by_level, level), 0.0)
                if arm in ran
                else Part(f"better than {arm}", None, None, NO_CONTROL)
                for arm, by_level in controls.items()
            ),
        )
        n = parts[0].interval.n if parts[0].interval else 0
        found[level] = Verdict(level, densities(rows)[level], n, _decide(n, parts), parts)
    return found


def _decide(n: int, parts: Sequence[Part]) -> Decision:
    if n < SEEDS:
        return "undecided"
    if any(part.holds is False for part in parts):
        return "not winning"
    return "winning" if all(part.holds for part in parts) else "undecided"


def _points(by_level: ByLevel, level: int) -> Interval | None:
    """The interval at `level` in points of accuracy, rather than 0..1."""
    return by_level[level][1].map(lambda share: 100 * share) if level in by_level else None


def _side(interval: Interval, bound: float) -> bool | None:
    """True where the whole interval lies above `bound`, False where it lies below; None else, and for few seeds."""
    if interval.n < SEEDS or interval.low is None or interval.high is None:
        return None
    low, high = round(interval.low - bound, 9), round(interval.high - bound, 9)  # the last bits decide nothing
    return True if low > 0 else False if high < 0 else None


def _above(name: str, interval: Interval | None, bound: float) -> Part:
    """The part that holds where the difference, in points, lies above `bound`."""
    if interval is None:
        return Part(name, None, None, "no seed has both")
    return Part(name, _side(interval, bound), interval, _few(interval))


def _fast(rows: Sequence[Row], level: int, speed: ByLevel) -> Part:
    """Whether the ticket's early stop comes before 1.1 times that of dense.

    A censored stop lies anywhere beyond what was measured. The ticket's make the ratio a lower bound, which can still
    say that it is slow; the dense network's make it an upper bound, which can still say that it is fast.
    """
    if level not in speed:
        return Part("fast", None, None, "no early stop to compare")
    interval = speed[level][1]
    side = _side(interval, math.log(SLOWEST))
    ticket, dense = censored_pairs(rows, level)
    undermined = (ticket and side is not True) or (dense and side is not False)
    if undermined and not _few(interval):
        cut = " and ".join(name for name, seeds in (("the ticket", ticket), ("dense", dense)) if seeds)
        return Part("fast", None, interval, f"early stop of {cut} censored")
    return Part("fast", None if side is None else not side, interval, _few(interval))


def _few(interval: Interval) -> str:
    return "" if interval.n >= SEEDS else f"{interval.n} of at least {SEEDS} seeds"


def _say(part: Part) -> str:
    """A part that does not hold or is undecided, with what stands in its way, in words."""
    name = f"not {part.name}" if part.holds is False else f"{part.name}?"
    return f"{name} ({part.note})" if part.note else name
