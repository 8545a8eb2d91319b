"""How many seeds a difference of interest would need, from the variance of results that are there."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scipy.stats import chi2, nct, norm  # type: ignore[import-untyped,unused-ignore]  # scipy has no types of its own

from lth.core.tables import Column, Row, Table
from lth.report.compared import compared_column, margin_in, metric_in
from lth.report.conditions import SEEDS
from lth.report.distributions import student_quantile
from lth.report.early_stop import log_ratio_to_dense
from lth.report.intervals import Interval, against_dense, paired
from lth.report.sheet import DASH, MINUS, Sheet
from lth.report.statistics import STOP, arms_of

MOST = 1000
"""More seeds are not looked for."""
UPPER = 0.8
"""The confidence of the upper bound of the standard deviation (Browne 1995, Statistics in Medicine 14)."""

POWER_TABLE = Table(
    "power",
    (
        Column("setting", str, "", "the setting of the results"),
        Column("pair", str, "", "what is compared: ticket - reinit, or the ratio ticket / dense"),
        Column("column", str, "", "the column of results.csv that is compared"),
        Column("unit", str, "", "`points` of a share, the metric's own, or `times` (of early stops)"),
        Column("levels", int, "", "how many levels the standard deviation is pooled over", at_least=0),
        Column("n", int, "", "the most distinct pairs that a level has", at_least=0),
        Column("deviation", float, "as in unit", "standard deviation between seeds; of a ratio, a factor", at_least=0),
        Column(
            "test_error",
            float,
            "points",
            "standard error that the test set leaves, however many seeds there are",
            at_least=0,
        ),
        Column("difference", float, "as in unit", "the difference of interest", at_least=0),
        Column("power", float, "0..1", "how often it is to be found"),
        Column("seeds", int, "", "seeds that it takes; empty where 1,000 are too few", at_least=0),
        Column("seeds_upper", int, "", "the same for the upper 80% bound of the standard deviation", at_least=0),
        Column(
            "test_examples_factor", float, "", "how many times the test set it takes; 1: it is large enough", at_least=0
        ),
    ),
    key=("setting", "pair", "column"),
    meaning="A row for each setting and pair of arms: how many seeds a difference of interest would take.",
)


@dataclass(frozen=True)
class Interest:
    """Differences of interest, and how often they are to be found, 0..1.

    accuracy: points of it, or of another metric percent of the dense networks' mean. speed: a ratio of early stops.
    """

    accuracy: float = 0.2
    speed: float = 1.1
    power: float = 0.8


def power_rows(rows: Sequence[Row], interest: Interest, level: int | None = None) -> list[Row]:
    """A row for each pair of arms of one setting, with the columns of POWER_TABLE; level: that alone (None: all)."""
    column, metric = compared_column(rows), metric_in(rows)
    pairs = {f"ticket - {arm}": paired(rows, "ticket", arm, column) for arm in arms_of(rows) if arm != "ticket"}
    pairs = {"ticket - dense": against_dense(rows, "ticket", column)} | pairs
    unit, wanted = metric.difference_unit, margin_in(rows, interest.accuracy)
    table = [
        _row(name, column, unit, [x.times(metric.factor) for x in _intervals(by_level, level)], wanted, interest)
        for name, by_level in pairs.items()
    ]
    stops = [x for x in _intervals(log_ratio_to_dense(rows, "ticket"), level) if not x.censored]
    table.append(_row("ticket / dense", STOP, "times", stops, math.log(interest.speed), interest))
    setting = rows[0]["setting"]
    return [POWER_TABLE.row(row, setting=setting) for row in table if row]


def _intervals(by_level: Mapping[int, tuple[float, Interval]], level: int | None) -> list[Interval]:
    return [x for index, (_, x) in by_level.items() if level in (None, index) and x.n > 1]


def _row(
    pair: str, column: str, unit: str, intervals: Sequence[Interval], difference: float, interest: Interest
) -> Row | None:
    """One row; None where no level has two pairs."""
    if not intervals:
        return None
    deviation = math.sqrt(statistics.fmean(x.n * x.error**2 for x in intervals))
    freedom = max(x.n for x in intervals) - 1  # levels of one seed are correlated: they add no degrees of freedom
    upper = deviation * math.sqrt(freedom / chi2.ppf(1 - UPPER, freedom))
    floor = max(x.floor for x in intervals) if column != STOP else 0.0
    factor = max(1.0, (floor * float(norm.ppf(0.975) + norm.ppf(interest.power)) / difference) ** 2)
    back = math.exp if column == STOP else float
    return {
        "pair": pair,
        "column": column,
        "unit": unit,
        "levels": len(intervals),
        "n": freedom + 1,
        "deviation": back(deviation),
        "test_error": floor or None,
        "difference": back(difference),
        "power": interest.power,
        "seeds": seeds_for(difference, deviation, interest.power),
        "seeds_upper": seeds_for(difference, upper, interest.power),
        "test_examples_factor": factor,
    }


def seeds_for(difference: float, deviation: float, power: float = 0.8) -> int | None:
    """The fewest seeds whose 95% t interval lies above 0 with probability `power`; None where 1,000 are too few.

    difference, deviation: the true mean of the pairs' differences and their standard deviation, in one unit. The power
    is that of the t test, by the noncentral t distribution.

    >>> seeds_for(0.5, 0.5)
    10
    """
    for n in range(SEEDS, MOST + 1):
        if (
            deviation == 0
            or nct.sf(student_quantile(0.975, n - 1), n - 1, difference / deviation * math.sqrt(n)) >= power
        ):
            return n
    return None


def power_sheet(title: str, rows: Sequence[Row]) -> Sheet:
    """`power_rows` of one setting for people."""
    cells = []
    for row in rows:
        larger = f"{row['test_examples_factor']:.1f} times" if row["test_examples_factor"] > 1 else "enough"
        seeds, upper = (DASH if row[key] is None else f"{row[key]:,}" for key in ("seeds", "seeds_upper"))
        deviation = f"{row['deviation']:.2f}" if row["unit"] in ("points", "times") else f"{row['deviation']:.4g}"
        pair = row["pair"].replace(" - ", f" {MINUS} ")
        cells.append([pair, f"{row['difference']:.4g} {row['unit']}", deviation, str(row["n"]), seeds, upper, larger])
    heads = ["pair", "difference", "deviation", "from n", "seeds", "up to", "test set"]
    return Sheet(f"{title}: seeds that a difference takes", heads, cells)


def explained(rows: Sequence[Row]) -> list[str]:
    """What the columns of `power_sheet` mean, in sentences."""
    sentences = [
        f"seeds: so many show the difference by a 95% interval in {100 * rows[0]['power']:g}% of experiments, if the"
        " standard deviation between seeds is as measured; up to: if it is as large as its upper 80% bound."
    ]
    if any(row["test_examples_factor"] > 1 for row in rows):
        sentences.append(
            "test set: so many times as many test examples are needed as well, since seeds share them. Where results"
            " do not hold which examples are right, this is an upper bound."
        )
    return sentences
