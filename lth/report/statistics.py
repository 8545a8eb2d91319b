"""Statistics of one replicate: means over draws, differences and their binomial error; densities in percent."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lth.core.tables import Row

STOP = "early_stop_iteration"
LARGEST = 1e100
"""Numbers from here on count as infinite: a training that ends there has diverged, in whatever precision."""


@dataclass(frozen=True)
class Draws:
    """The draws of an arm at a level: their mean, lowest and highest value; a mean with a censored one is too low."""

    mean: float
    low: float
    high: float
    count: int
    censored: bool = False


def percent(density: float) -> str:
    """`density` in percent, as the papers write P_m, in every table, figure and sentence: 100, 51.3, 0.52."""
    value = 100 * density
    return f"{value:.0f}" if round(value, 1) == 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def measured(value: Any) -> bool:
    """Whether `value` is a finite number, and not so large that a mean or an axis of such numbers is none."""
    return value is not None and abs(value) < LARGEST


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of the finite values; None where there is none."""
    finite = [value for value in values if value is not None and measured(value)]
    return sum(finite) / len(finite) if finite else None


def over_draws(draws: Sequence[Row], column: str, factor: float = 1.0) -> Draws | None:
    """`column` times `factor` over the rows of some draws; None where none was measured."""
    values = [factor * row[column] for row in draws if measured(row[column])]
    average = mean(values)
    if average is None:
        return None
    censored = column == STOP and any(row["early_stop_censored"] for row in draws)
    return Draws(average, min(values), max(values), len(values), censored)


def at(rows: Sequence[Row], level: int, arm: str, column: str) -> float | None:
    """The mean of `column` over the draws of `arm` at `level`; None where none was measured."""
    draws = over_draws([row for row in rows if row["level"] == level and row["arm"] == arm], column)
    return draws.mean if draws else None


def arms_of(rows: Sequence[Row]) -> list[str]:
    """The arms in `rows`, in order of appearance."""
    return list(dict.fromkeys(row["arm"] for row in rows))


def densities(rows: Sequence[Row]) -> dict[int, float]:
    """Level -> density."""
    return {row["level"]: row["density"] for row in rows}


def binomial_error(first: float, second: float, examples: int) -> float:
    """The standard error of a difference of two accuracies, each measured on `examples` test examples."""
    return math.sqrt((first * (1 - first) + second * (1 - second)) / examples)


def short(seconds: float) -> str:
    """Seconds with two digits, and whole ones where there are more: 0, 0.031, 2.4, 773."""
    return f"{seconds:,.0f}" if seconds >= 10 else f"{seconds:.2g}"
