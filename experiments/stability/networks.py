"""The networks whose stability is measured: their rows by rewind point, and intervals over pairs or over seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from lth.core.tables import Row
from lth.report.claims.values import Estimate, interval_of, mean_of
from lth.report.conditions import SEEDS
from lth.report.failures import failed
from lth.report.intervals import Interval, Summarize, min_max, over_seeds, t_interval
from lth.report.statistics import measured, percent

INSTABILITY, TEST_ERROR = "test_instability", "test_instability_error"
ACCURACY = "final_test_accuracy"
Answer = Literal["stable", "unstable", "undecided"]
ByRewind = Mapping[int, Interval]
"""Rewind point in iterations -> the interval of a measure there."""


@dataclass(frozen=True)
class Network:
    """One network, the dense one or that of an arm at a level, at all rewind points.

    pairs: its rows of stability.csv; children: those of results.csv. A pair with a child that failed is measured
    nowhere: two networks at chance are no stable ones.
    """

    name: str
    arm: str
    level: int
    density: float
    pairs: Sequence[Row]
    children: Sequence[Row]

    @property
    def rewinds(self) -> list[int]:
        """Its rewind points in iterations."""
        return sorted({row["rewind"] for row in self.pairs})

    @property
    def total(self) -> int:
        """The iterations of a training."""
        return int(max(row["total"] for row in self.pairs))

    def seeds(self, rewind: int, column: str) -> dict[int | None, Estimate]:
        """Seed -> the mean of a column of stability.csv over its pairs there; none of a seed with a pair without it."""
        rows: dict[int | None, list[Row]] = {}
        for row in self.pairs:
            if row["rewind"] == rewind:
                rows.setdefault(row.get("seed"), []).append(row)
        return {
            seed: mean_of([estimate(row, column) for row in pairs])
            for seed, pairs in rows.items()
            if all(self.measured(row, column) for row in pairs)
        }

    @cached_property
    def failed(self) -> set[str]:
        """The runs of the children that failed."""
        return {row["run"] for row in self.children if failed(row)}

    def measured(self, pair: Row, column: str) -> bool:
        """Whether a pair has a value in a column of stability.csv, and both of its children trained."""
        return measured(pair[column]) and not {pair["run"], pair["other_run"]} & self.failed

    def intervals(self, column: str) -> ByRewind:
        """The 95% interval of a column of stability.csv over seeds, each the mean over its pairs."""
        by_rewind = {k: list(self.seeds(k, column).values()) for k in self.rewinds}
        return {k: interval_of(values) for k, values in by_rewind.items() if values}

    def drawn(self, column: str, bars: Summarize | None) -> ByRewind:
        """What a figure shows of a column: means over seeds with `bars`, or the range over the pairs of one seed."""
        if bars is t_interval:
            return self.intervals(column)
        if bars is not None:
            by_rewind = {k: [float(x) for x in self.seeds(k, column).values()] for k in self.rewinds}
            return {k: bars(values) for k, values in by_rewind.items() if values}
        pairs = {k: [row for row in self.pairs if row["rewind"] == k] for k in self.rewinds}
        return {
            k: min_max([row[column] for row in rows])
            for k, rows in pairs.items()
            if all(self.measured(row, column) for row in rows)
        }

    def accuracies(self, bars: Summarize | None) -> ByRewind:
        """The test accuracy of the children at the end, 0..1: over seeds with `bars`, or the range of one seed."""
        intervals = {}
        for k in self.rewinds:
            rows = [row for row in self.children if row["rewind"] == k and not failed(row)]
            values = [row[ACCURACY] for row in rows if measured(row[ACCURACY])]
            if bars is None and values:
                intervals[k] = min_max(values)
            elif bars is not None and (by_level := over_seeds(rows, self.arm, ACCURACY, bars)):
                intervals[k] = by_level[self.level][1]
        return intervals


def estimate(row: Row, column: str) -> Estimate:
    """A value of stability.csv with its trainings, and the error that the test set leaves in an instability."""
    error = row[TEST_ERROR] or 0.0 if column == INSTABILITY else 0.0
    return Estimate(row[column], frozenset(filter(None, (row["run"], row["other_run"]))), error=error)


def networks_of(pairs: Sequence[Row], results: Sequence[Row]) -> list[Network]:
    """The networks of rows of stability.csv and of results.csv, from dense to sparse."""
    grouped: dict[tuple[int, str], list[Row]] = {}
    for row in pairs:
        grouped.setdefault((row["level"], row["arm"]), []).append(row)
    levels = sorted(grouped, key=lambda place: place[0])  # arms as they come
    return [
        Network(
            "dense" if level == 0 else f"{arm} {percent(grouped[level, arm][0]['density'])}%",
            arm,
            level,
            grouped[level, arm][0]["density"],
            grouped[level, arm],
            [row for row in results if (row["level"], row["arm"]) == (level, arm)],
        )
        for level, arm in levels
    ]


def judged(interval: Interval, below: float) -> Answer:
    """Whether a network with this instability is stable: whether its whole interval lies below `below`, or none of it.

    Fewer than three seeds decide nothing.
    """
    if interval.n < SEEDS or interval.low is None or interval.high is None:
        return "undecided"
    if interval.high < below:
        return "stable"
    return "unstable" if interval.low >= below else "undecided"


def settled(by_rewind: Mapping[int, bool], rewinds: Sequence[int]) -> int | None:
    """The first rewind point from which on a network is stable at all that were tried; None where it is so at none.

    by_rewind: whether it is stable; a rewind point that is missing, because a child diverged, is not.

    >>> settled({0: True, 100: False, 500: True}, [0, 100, 500])
    500
    """
    first = None
    for k in reversed(rewinds):
        if not by_rewind.get(k):
            return first
        first = k
    return first
