"""Means with intervals over seeds. The unit is a distinct training; diverged trainings are in no mean.

Every function takes rows of `results.csv` of one setting (ValueError for more) and gives, by level, a density (0..1)
and an interval in the unit of the column: accuracies are 0..1, early stops are iterations.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lth.core.tables import Row
from lth.report.distributions import normal_above, normal_quantile, student_above, student_quantile
from lth.report.statistics import densities
from lth.report.units import Unit, Units, differences, distinct, shared_error, units_of

DENSE = 0
"""The level whose ticket is the dense network."""


@dataclass(frozen=True)
class Interval:
    """The mean of `n` values and its bounds; None where nothing bounds it on that side, as for one value.

    censored: how many of the values are censored early stops: training ended before the validation loss could rise.
    error: the standard error over units. floor: the standard error that all units share, such as that of the test set.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    censored: int = 0
    error: float = field(default=0.0, compare=False)
    floor: float = field(default=0.0, compare=False)

    def map(self, function: Callable[[float], float]) -> "Interval":
        """The interval with a rising `function` applied to its mean and bounds, as for a change of unit."""
        low, high = (None if bound is None else function(bound) for bound in (self.low, self.high))
        return Interval(function(self.mean), low, high, self.n, self.censored)

    def times(self, factor: float) -> "Interval":
        """The interval in a unit that is `factor` (above 0) times smaller."""
        return replace(self.map(lambda value: factor * value), error=factor * self.error, floor=factor * self.floor)

    def mirrored(self) -> "Interval":
        """The interval of the negative values."""
        low, high = (None if bound is None else -bound for bound in (self.high, self.low))
        return replace(self, mean=-self.mean, low=low, high=high)

    def p_above(self, bound: float) -> float:
        """Twice the one-sided p of a true mean at or below `bound`; below 0.05 where `low` of a 95% interval is above.

        1 where the values do not bound the mean from below.
        """
        return 1.0 if self.low is None else self._p(self.mean - bound)

    def p_below(self, bound: float) -> float:
        """Twice the one-sided p of a true mean at or above `bound`; 1 where the values do not bound it from above."""
        return 1.0 if self.high is None else self._p(bound - self.mean)

    @property
    def p_zero(self) -> float:
        """The two-sided p of a true mean of 0."""
        return min(self.p_above(0.0), self.p_below(0.0))

    def _p(self, distance: float) -> float:
        over_units = student_above(distance / self.error, self.n - 1) if self.error else float(distance <= 0)
        shared = normal_above(distance / self.floor) if self.floor else float(distance <= 0)
        return min(1.0, 2 * max(over_units, shared))


Summarize = Callable[[Sequence[float]], Interval]
ByLevel = dict[int, tuple[float, Interval]]
"""Level -> (density, interval)."""


def t_interval(values: Sequence[float], confidence: float = 0.95, floor: float = 0.0) -> Interval:
    """The mean of `values` and its Student t interval: mean +- t(confidence, n - 1) s / sqrt(n).

    It takes the values as independent draws of a normal distribution. floor: a standard error of the mean that all
    values have in common, such as that of one test set; the interval is at least as wide as the normal interval of it.
    One value has no bounds.
    """
    n, mean = len(values), statistics.fmean(values)
    if n == 1:
        return Interval(mean, None, None, n, floor=floor)
    error = statistics.stdev(values) / math.sqrt(n)
    half = max(student_quantile((1 + confidence) / 2, n - 1) * error, normal_quantile((1 + confidence) / 2) * floor)
    return Interval(mean, mean - half, mean + half, n, error=error, floor=floor)


def min_max(values: Sequence[float]) -> Interval:
    """The mean of `values`, the lowest and the highest: the bars of Frankle & Carbin 2019. One value has no bounds."""
    n, mean = len(values), statistics.fmean(values)
    return Interval(mean, min(values), max(values), n) if n > 1 else Interval(mean, None, None, n)


def over_seeds(rows: Sequence[Row], arm: str, column: str, interval: Summarize = t_interval) -> ByLevel:
    """The interval of `column` over the distinct trainings of `arm` at each level: over seeds, on this test set."""
    by_level = {level: distinct(seeds.values()) for level, seeds in units_of(rows, arm, column).items()}
    density = densities(rows)
    return {level: (density[level], interval([unit.value for unit in units])) for level, units in by_level.items()}


def paired(rows: Sequence[Row], first_arm: str, second_arm: str, column: str) -> ByLevel:
    """95% intervals of `first_arm` less `second_arm`, by seed, at each level where a seed has both."""
    return intervals_of(rows, pairs_of(rows, first_arm, second_arm, column))


def pairs_of(rows: Sequence[Row], first_arm: str, second_arm: str, column: str) -> dict[int, list[Unit]]:
    """The distinct differences of `first_arm` to `second_arm` of the same seed, at each level that the first has."""
    first, second = units_of(rows, first_arm, column), units_of(rows, second_arm, column)
    return {level: differences(seeds, second.get(level, {})) for level, seeds in first.items()}


def against_dense(rows: Sequence[Row], arm: str, column: str) -> ByLevel:
    """95% intervals of `arm` less the dense network of the same seed, at each level from 1."""
    return intervals_of(rows, less_dense(units_of(rows, arm, column), units_of(rows, "ticket", column)))


def less_dense(units: Units, dense: Units) -> dict[int, list[Unit]]:
    """The distinct differences of `units` to the dense network of the same seed, at each level from 1."""
    return {level: differences(seeds, dense.get(DENSE, {})) for level, seeds in units.items() if level != DENSE}


def intervals_of(rows: Sequence[Row], units: Mapping[int, Sequence[Unit]]) -> ByLevel:
    """The 95% t interval of the units of each level; that of accuracies is no narrower than the test set's error."""
    density = densities(rows)
    return {
        level: (density[level], t_interval([unit.value for unit in here], floor=shared_error(here)))
        for level, here in units.items()
        if here
    }
