"""The units of statistics: distinct trainings. A seed whose trainings another seed shares adds nothing.

A unit is what one seed gives: a value, averaged over its draws, or the difference of two. Units with a training in
common are one unit, so that one training under three seeds counts once. The test set is shared by all units: the error
that it leaves in their mean does not shrink with their number, and comes from which examples each network gets right.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lth.core.tables import Row
from lth.report.correct import KINDS, hits_of
from lth.report.distributions import sign_test
from lth.report.statistics import measured

LARGEST = 1_000_000
"""Accuracies that are no counts over at most so many examples do not tell the size of the test set."""


@dataclass(frozen=True)
class Unit:
    """One measurement: its value, and the trainings that it comes from.

    hits: of an accuracy, the share of draws that are right for each test example, float32 (examples,); of a difference,
    that of its two sides; None where that is unknown. variance: that of the value on a random test set, if the two
    sides of a difference were independent; None where the size of the test set is unknown.
    """

    value: float
    runs: frozenset[str]
    hits: NDArray[np.float32] | None = None
    variance: float | None = None

    def __sub__(self, other: "Unit") -> "Unit":
        hits = None if self.hits is None or other.hits is None else self.hits - other.hits
        variance = None if self.variance is None or other.variance is None else self.variance + other.variance
        return Unit(self.value - other.value, self.runs | other.runs, hits, variance)


Units = dict[int, dict[int, Unit]]
"""Level -> seed -> unit."""


def units_of(rows: Sequence[Row], arm: str, column: str, change: Callable[[float], float] = float) -> Units:
    """`change` of `column` by level and seed, averaged over the distinct trainings of `arm`; missing values left out.

    Raises ValueError for rows of several settings.
    """
    if len({row["setting"] for row in rows}) > 1:
        raise ValueError("rows of several settings are never averaged")
    examples = examples_of(rows) if column in KINDS else None
    draws: dict[int, dict[int, dict[object, Row]]] = {}
    for row in rows:
        value = row[column]
        if row["arm"] == arm and row["status"] == "done" and measured(value):
            run = row["run"] or (row["seed"], row["draw"])
            draws.setdefault(row["level"], {}).setdefault(row["seed"], {})[run] = row
    return {
        level: {seed: _unit(list(by_run.values()), column, change, examples) for seed, by_run in sorted(seeds.items())}
        for level, seeds in sorted(draws.items())
    }


def _unit(rows: Sequence[Row], column: str, change: Callable[[float], float], examples: int | None) -> Unit:
    runs = frozenset(row["run"] for row in rows if row["run"])
    value = statistics.fmean(change(row[column]) for row in rows)
    if column not in KINDS:
        return Unit(value, runs)
    each = [hits_of(row, column) for row in rows]
    return Unit(value, runs, _mean(each), value * (1 - value) / examples if examples else None)


def _mean(each: Sequence[NDArray[Any] | None]) -> NDArray[np.float32] | None:
    """The mean by test example; None where that of one is unknown, or they are of test sets of several sizes."""
    known = [hits for hits in each if hits is not None]
    if len(known) < len(each) or len({len(hits) for hits in known}) != 1:
        return None
    total: NDArray[np.float32] = known[0].astype(np.float32)
    for hits in known[1:]:
        total += hits
    return total / np.float32(len(known))


def differences(first: Mapping[int, Unit], second: Mapping[int, Unit]) -> list[Unit]:
    """The distinct differences first - second, over the seeds that both have."""
    return distinct([unit - second[seed] for seed, unit in first.items() if seed in second])


def distinct(units: Iterable[Unit]) -> list[Unit]:
    """`units` with those merged into their mean that have a training in common, directly or through others."""
    groups: list[list[Unit]] = []
    for unit in units:
        shares = [any(unit.runs & other.runs for other in group) for group in groups]
        joined = [other for group, share in zip(groups, shares, strict=True) if share for other in group]
        apart = [group for group, share in zip(groups, shares, strict=True) if not share]
        groups = [*apart, [*joined, unit]]
    return [_merged(group) for group in groups]


def _merged(units: Sequence[Unit]) -> Unit:
    if len(units) == 1:
        return units[0]
    hits, variances = [unit.hits for unit in units], [unit.variance for unit in units]
    return Unit(
        statistics.fmean(unit.value for unit in units),
        frozenset().union(*(unit.runs for unit in units)),
        _mean(hits),
        None if any(x is None for x in variances) else statistics.fmean(x for x in variances if x is not None),
    )


def shared_error(units: Sequence[Unit]) -> float:
    """The standard error of the mean of `units` that comes from the one test set they share; 0 where it is unknown.

    Where the correct examples are known it is that of the mean over units of each example's value: of one pair that of
    McNemar's test, sqrt(b + c - (b - c)^2 / N) / N, with b and c the examples that one of the two alone gets right.
    Else it is bounded by that of independent accuracies, sqrt((p (1 - p) + q (1 - q)) / N).
    """
    each = _mean([unit.hits for unit in units])
    if each is not None:
        return float(each.std(dtype=np.float64) / math.sqrt(len(each)))
    variances = [unit.variance for unit in units if unit.variance is not None]
    return math.sqrt(statistics.fmean(variances)) if variances else 0.0


def distinct_seeds(rows: Iterable[Row]) -> int:
    """How many of the seeds in `rows`, of one arm at one level, have trainings of their own."""
    runs: dict[int, set[str]] = {}
    for row in rows:
        runs.setdefault(row["seed"], set()).update([row["run"]] if row["run"] else [])
    return len(distinct(Unit(0.0, frozenset(names)) for names in runs.values()))


def once(rows: Iterable[Row]) -> list[Row]:
    """`rows` without those whose training another row of the same arm and level already stands for."""
    known: dict[tuple[object, ...], Row] = {}
    for row in rows:
        place = (row["setting"], row["level"], row["arm"])
        known.setdefault((*place, row["run"] or (row["seed"], row["draw"])), row)
    return list(known.values())


def mcnemar(pair: Unit) -> float | None:
    """The two-sided p of McNemar's exact test of one pair of networks; None where their correct examples are unknown.

    Of the examples that one of the two alone gets right, either is as likely to be the one. It is about these two
    networks, not about others of their kind; for means over draws there is no such test.
    """
    if pair.hits is None or not np.isin(pair.hits, (-1, 0, 1)).all():
        return None
    first, second = int((pair.hits > 0).sum()), int((pair.hits < 0).sum())
    return sign_test(first, second)


def examples_of(rows: Iterable[Row]) -> int | None:
    """The size of the test set; where rows do not hold it, the fewest examples that all accuracies are counts over.

    None where no count of at most a million gives them.

    >>> examples_of([{"test_examples": None, "final_test_accuracy": x} for x in (0.975, 0.9764)])
    5000
    """
    fewest = 1
    for row in rows:
        if row.get("test_examples"):
            return int(row["test_examples"])
        for column in KINDS:
            if (accuracy := row.get(column)) is not None and math.isfinite(accuracy):
                share = Fraction(accuracy).limit_denominator(LARGEST)
                fewest = math.lcm(fewest, share.denominator)
        if fewest > LARGEST:
            return None
    return fewest if fewest > 1 else None
