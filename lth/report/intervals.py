"""Means with intervals over seeds: the seed is the unit, draws are averaged within it, diverged trainings left out.

Every function takes rows of `results.csv` of one setting (ValueError for more) and gives, by level, a density (0..1)
and an interval in the unit of the column: accuracies are 0..1, early stops are iterations.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from scipy.stats import norm  # type: ignore[import-untyped,unused-ignore]  # scipy has no types of its own
from scipy.stats import t as student  # type: ignore[import-untyped,unused-ignore]  # scipy has no types of its own

from lth.core.tables import Row
from lth.report.statistics import STOP, densities

DENSE = 0
"""The level whose ticket is the dense network."""


@dataclass(frozen=True)
class Interval:
    """The mean of `n` values and its bounds; None where one value alone gives none.

    censored: how many of the values are censored early stops: training ended before the validation loss could rise.
    With any, the mean is a lower bound of unknown error, so it has no bounds.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    censored: int = 0

    def map(self, function: Callable[[float], float]) -> "Interval":
        """The interval with a rising `function` applied to its mean and bounds, as for a change of unit."""
        low, high = (None if bound is None else function(bound) for bound in (self.low, self.high))
        return Interval(function(self.mean), low, high, self.n, self.censored)


Summarize = Callable[[Sequence[float]], Interval]
ByLevel = dict[int, tuple[float, Interval]]
"""Level -> (density, interval)."""
BySeed = dict[int, dict[int, float]]
"""Level -> seed -> value."""


def t_interval(values: Sequence[float], confidence: float = 0.95, floor: float = 0.0) -> Interval:
    """The mean of `values` and its Student t interval: mean +- t(confidence, n - 1) s / sqrt(n).

    It takes the values as independent draws of a normal distribution. floor: a standard error of the mean that all
    values have in common, such as that of one test set; the interval is at least as wide as the normal interval of it.
    One value has no bounds.
    """
    n, mean = len(values), statistics.fmean(values)
    if n == 1:
        return Interval(mean, None, None, n)
    half = student_quantile((1 + confidence) / 2, n - 1) * statistics.stdev(values) / math.sqrt(n)
    half = max(half, float(norm.ppf((1 + confidence) / 2)) * floor)
    return Interval(mean, mean - half, mean + half, n)


@cache
def student_quantile(probability: float, degrees: int) -> float:
    """The quantile of Student's t distribution."""
    return float(student.ppf(probability, degrees))


def min_max(values: Sequence[float]) -> Interval:
    """The mean of `values`, the lowest and the highest: the bars of Frankle & Carbin 2019. One value has no bounds."""
    n, mean = len(values), statistics.fmean(values)
    return Interval(mean, min(values), max(values), n) if n > 1 else Interval(mean, None, None, n)


def by_seed(rows: Sequence[Row], arm: str, column: str, change: Callable[[float], float] = float) -> BySeed:
    """`change` of `column`, averaged over the draws of `arm` within each seed; missing values are left out."""
    if len({row["setting"] for row in rows}) > 1:
        raise ValueError("rows of several settings are never averaged")
    draws: dict[int, dict[int, list[float]]] = {}
    for row in rows:
        value = row[column]
        if row["arm"] == arm and row["status"] == "done" and value is not None and math.isfinite(value):
            draws.setdefault(row["level"], {}).setdefault(row["seed"], []).append(change(value))
    return {
        level: {seed: statistics.fmean(values) for seed, values in sorted(seeds.items())}
        for level, seeds in sorted(draws.items())
    }


def over_seeds(rows: Sequence[Row], arm: str, column: str, interval: Summarize = t_interval) -> ByLevel:
    """The interval of `column` over seeds at each level that `arm` has values at; a lower bound where censored."""
    intervals = _intervals(rows, by_seed(rows, arm, column), interval)
    censored = censored_seeds(rows) if column == STOP else {}
    for level, (density, uncensored) in intervals.items():
        if count := censored.get((level, arm)):
            intervals[level] = (density, Interval(uncensored.mean, None, None, uncensored.n, count))
    return intervals


def paired(rows: Sequence[Row], first_arm: str, second_arm: str, column: str) -> ByLevel:
    """95% t intervals of `first_arm` less `second_arm`, by seed, at each level where a seed has both."""
    first, second = by_seed(rows, first_arm, column), by_seed(rows, second_arm, column)
    return _differences(rows, first, {level: second.get(level, {}) for level in first})


def against_dense(rows: Sequence[Row], arm: str, column: str) -> ByLevel:
    """95% t intervals of `arm` less the dense network of the same seed, at each level from 1."""
    return _against_dense(rows, by_seed(rows, arm, column), by_seed(rows, "ticket", column))


def log_ratio_to_dense(rows: Sequence[Row], arm: str) -> ByLevel:
    """95% t intervals of log(early stop of `arm` / early stop of the dense network of the same seed), from level 1.

    Iterations are absolute: those before the rewind point count. Draws are averaged as logarithms. An early stop at
    iteration 0 has no logarithm; it counts as one step between evaluations, the next that an evaluation could find.
    """
    step = evaluation_step(rows)

    def logarithm(iteration: float) -> float:
        return math.log(iteration or step)

    return _against_dense(rows, by_seed(rows, arm, STOP, logarithm), by_seed(rows, "ticket", STOP, logarithm))


def evaluation_step(rows: Iterable[Row]) -> int:
    """The greatest common divisor of all early stops in `rows`, without those at the end of training.

    It is `recipe.evaluate_every`, or for very few rows a multiple; 1 without any early stop.
    """
    stops = [row[STOP] for row in rows if row[STOP] is not None and row[STOP] != row["iterations"]]
    return math.gcd(*stops) or 1


def censored_seeds(rows: Iterable[Row]) -> dict[tuple[int, str], int]:
    """(level, arm) -> how many seeds have a censored early stop there; a mean with any is a lower bound."""
    censored: dict[tuple[int, str], set[int]] = {}
    for row in rows:
        if row["status"] == "done":
            seeds = censored.setdefault((row["level"], row["arm"]), set())
            seeds |= {row["seed"]} if row["early_stop_censored"] else set()
    return {place: len(seeds) for place, seeds in censored.items()}


def censored_pairs(rows: Iterable[Row], level: int) -> tuple[set[int], set[int]]:
    """Of the seeds with a ticket at `level`: those whose early stop is censored there, and those whose dense one is."""
    tickets = [row for row in rows if row["arm"] == "ticket" and row["status"] == "done"]
    seeds = {row["seed"] for row in tickets if row["level"] == level}
    censored = [(row["level"], row["seed"]) for row in tickets if row["early_stop_censored"] and row["seed"] in seeds]
    return {seed for at, seed in censored if at == level}, {seed for at, seed in censored if at == DENSE}


def _against_dense(rows: Sequence[Row], values: BySeed, dense: BySeed) -> ByLevel:
    pruned = {level: seeds for level, seeds in values.items() if level != DENSE}
    return _differences(rows, pruned, dict.fromkeys(pruned, dense.get(DENSE, {})))


def _differences(rows: Sequence[Row], first: BySeed, second: BySeed) -> ByLevel:
    """Intervals of first - second over the seeds that both have at a level."""
    pairs = {
        level: {seed: value - second[level][seed] for seed, value in seeds.items() if seed in second[level]}
        for level, seeds in first.items()
    }
    return _intervals(rows, pairs, t_interval)


def _intervals(rows: Sequence[Row], values: Mapping[int, Mapping[int, float]], interval: Summarize) -> ByLevel:
    density = densities(rows)
    return {level: (density[level], interval(list(seeds.values()))) for level, seeds in values.items() if seeds}
