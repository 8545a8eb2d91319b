"""How fast tickets learn: early stops over that of the dense network, where some are censored.

An early stop is censored where training ended before the validation loss could rise: it lies anywhere beyond. Taken at
the end of training, it is a restricted stop, no later than the true one. So where stops of a ticket alone are censored,
the mean of the logarithms of ratios, and the lower end of its interval, can only be too low; where dense ones alone
are, the mean and the upper end can only be too high. Each such interval has one bound, and that can decide.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace

from lth.core.tables import Row
from lth.report.intervals import DENSE, ByLevel, Interval, Summarize, less_dense, over_seeds, t_interval
from lth.report.statistics import STOP, densities
from lth.report.units import units_of


def means(rows: Sequence[Row], arm: str, column: str, interval: Summarize = t_interval) -> ByLevel:
    """The interval of `column` over the distinct trainings of `arm` at each level, of early stops too.

    With a censored stop the mean is a lower bound and has no interval.
    """
    by_level = over_seeds(rows, arm, column, interval)
    if column != STOP:
        return by_level
    censored = censored_seeds(rows)
    return {
        level: (density, Interval(x.mean, None, None, x.n, count) if (count := censored.get((level, arm))) else x)
        for level, (density, x) in by_level.items()
    }


def log_ratio_to_dense(rows: Sequence[Row], arm: str) -> ByLevel:
    """95% t intervals of log(early stop of `arm` / early stop of the dense network of the same seed), from level 1.

    Iterations are absolute: those before the rewind point count. Draws are averaged as logarithms. No interval is
    narrower than the time between evaluations leaves open, between which stops fall anywhere. One side of an interval
    is None where stops of `arm` or of dense are censored, and both are where stops of both are.
    """
    step, density = evaluation_step(rows), densities(rows)

    def logarithm(iteration: float) -> float:
        return math.log(stop_after(iteration, step))

    units = less_dense(units_of(rows, arm, STOP, logarithm), units_of(rows, "ticket", STOP, logarithm))
    by_level: ByLevel = {}
    for level, here in units.items():
        if here:
            late, dense_late = censored_pairs(rows, level, arm)
            interval = t_interval([unit.value for unit in here], floor=_resolution(rows, arm, level, step, len(here)))
            low, high = None if dense_late else interval.low, None if late else interval.high
            by_level[level] = density[level], replace(interval, low=low, high=high, censored=len(late | dense_late))
    return by_level


def _resolution(rows: Sequence[Row], arm: str, level: int, step: int, n: int) -> float:
    """The standard error of the mean of `n` log ratios that comes from stops being known to a step between evaluations.

    A stop is uniform over a step: its logarithm has the variance step^2 / (12 stop^2).
    """
    variance = 0.0
    for place in ((level, arm), (DENSE, "ticket")):
        stops = [row[STOP] for row in rows if (row["level"], row["arm"]) == place and row[STOP] is not None]
        variance += statistics.fmean(step**2 / (12 * stop_after(stop, step) ** 2) for stop in stops)
    return math.sqrt(variance / n)


def stop_after(iteration: float, step: int) -> float:
    """An early stop that has a logarithm: one at iteration 0 counts as one step between evaluations.

    That is the next that an evaluation could find.
    """
    return iteration or step


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


def censored_pairs(rows: Iterable[Row], level: int, arm: str = "ticket") -> tuple[set[int], set[int]]:
    """Of the seeds with `arm` at `level`: those whose early stop is censored there, and those whose dense one is."""
    done = [row for row in rows if row["status"] == "done"]
    here = [row for row in done if (row["level"], row["arm"]) == (level, arm)]
    dense = [row for row in done if (row["level"], row["arm"]) == (DENSE, "ticket")]
    seeds = {row["seed"] for row in here}
    late, dense_late = ({row["seed"] for row in side if row["early_stop_censored"]} for side in (here, dense))
    return late, dense_late & seeds
