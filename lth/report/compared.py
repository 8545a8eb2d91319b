"""What networks are compared by: the metric of their task, in the unit that people read, and which way is better."""

import math
from collections.abc import Sequence

from lth.core.tables import Row
from lth.report.intervals import DENSE, ByLevel, Interval, over_seeds
from lth.tasks.metrics import ACCURACY, CLASSIFICATION, LOSS, Measures, Metric, measures_of

EARLY, FINAL, TRAINED = "early_stop_test", "final_test", "final_train"
WHERE = {EARLY: "at early stop", FINAL: "at the end"}
"""What a column of results.csv begins with that holds a metric of the test set -> when it was measured."""


def measures_in(rows: Sequence[Row]) -> Measures:
    """What is measured of the networks in `rows`, which are of one task."""
    return measures_of(rows[0]) if rows else CLASSIFICATION


def metric_in(rows: Sequence[Row]) -> Metric:
    """The metric that the networks in `rows` are compared by."""
    return measures_in(rows).primary


def metric_columns(rows: Sequence[Row]) -> tuple[str, str]:
    """The columns of that metric on the test set: at the early stop, and at the end."""
    name = metric_in(rows).name
    return f"{EARLY}_{name}", f"{FINAL}_{name}"


def all_metric_columns(rows: Sequence[Row]) -> list[str]:
    """The same of every metric of the task."""
    return [f"{place}_{metric.name}" for metric in measures_in(rows).metrics for place in (EARLY, FINAL)]


def compared_column(rows: Sequence[Row]) -> str:
    """The column that is compared: at the early stop, or at the end where there is no validation split."""
    early, final = metric_columns(rows)
    return early if any(row[early] is not None for row in rows) else final


def is_early(column: str) -> bool:
    """Whether a column is about the early stop."""
    return column.startswith(EARLY)


def when(column: str) -> str:
    """When the metric in a column was measured, in words."""
    return WHERE[EARLY if is_early(column) else FINAL]


def bracket(metric: Metric) -> str:
    """Unit and direction, in brackets, for axes and heads: ` (%)`, ` (m, lower is better)`; for shares the unit."""
    usual = metric.is_share and metric.better == "higher"
    direction = [] if usual else [f"{metric.better} is better"]
    return f" ({', '.join(filter(None, ['%' if metric.is_share else metric.unit, *direction]))})"


def in_units(metric: Metric) -> str:
    """The unit of a difference, and which way is better where that is not plain: `points`, `mse, lower is better`."""
    usual = metric.is_share and metric.better == "higher"
    return metric.difference_unit + ("" if usual else f", {metric.better} is better")


def digits(metric: Metric, value: float | None) -> int:
    """How many digits a value has after the point where it is shown: two of a share in percent, else four in all."""
    if metric.is_share:
        return 2
    return min(12, max(0, 3 - math.floor(math.log10(abs(value))))) if value and math.isfinite(value) else 3


def text_of(metric: Metric, number: float) -> str:
    """A value as text that is in the unit that people read, as percent of a share."""
    return f"{number:,.{digits(metric, number)}f}"


def shown(metric: Metric, interval: Interval) -> Interval:
    """A difference in the unit that people read: points, or the metric's own."""
    return interval.times(metric.factor)


def advantage(metric: Metric, interval: Interval) -> Interval:
    """A difference in that unit, turned so that above 0 is better."""
    return shown(metric, interval) if metric.sign > 0 else shown(metric, interval).mirrored()


def advantage_at(metric: Metric, by_level: ByLevel, level: int) -> Interval | None:
    """`advantage` at `level`; None where nothing was measured there."""
    return advantage(metric, by_level[level][1]) if level in by_level else None


def margin_in(rows: Sequence[Row], margin: float) -> float:
    """A margin in the unit of differences: points of a share; else so many percent of the dense networks' mean."""
    metric = metric_in(rows)
    if metric.is_share:
        return margin
    dense = over_seeds(rows, "ticket", compared_column(rows)).get(DENSE)
    return margin / 100 * abs(dense[1].mean) if dense else 0.0


def in_words(text: str, measures: Measures) -> str:
    """A sentence that was written for accuracy, about the metric of the task and what decides the early stop.

    >>> in_words("Test accuracy at the early stop.", Measures("regression", (Metric("mse", "lower"),)))
    'Test mse at the early stop.'
    """
    metric, decider = measures.primary, measures.decider
    if metric != ACCURACY:
        for word in ("accuracy", "accuracies"):
            text = text.replace(word, metric.words).replace(word.capitalize(), metric.words.capitalize())
    if decider != LOSS:
        best = "highest" if decider.better == "higher" else "lowest"
        text = text.replace("lowest validation loss", f"{best} validation {decider.words}")
    return text
