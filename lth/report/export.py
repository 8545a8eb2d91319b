"""The tables of a report, as CSV with plain numbers for programs, and as Markdown and LaTeX for people.

In the CSV accuracies and densities are 0..1, as in results.csv; in the other two they are percent. Differences are in
points of accuracy, or ratios of early-stop iterations, in all three. Arms have the names of the configuration.

Where an early stop is censored (it lies in the last 5% of training, so that the minimum may come later), what is made
of it is a bound and no estimate: its mean stands after ≥ or ≤. In the CSV the interval of a mean is then empty, that of
a ratio has one end, and a column says so: `early_stop_iteration_censored` counts such seeds, and `bound` of a ratio is
`lower` (the ticket's early stop is censored), `upper` (dense's is) or `neither` (both are: nothing is known).
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from lth.core.files import write_text
from lth.core.tables import Column, Row, Table
from lth.report.intervals import Interval, Summarize, min_max, t_interval
from lth.report.sheet import DASH, MINUS, Sheet, bracketed, latex, markdown

BARS: dict[str, Summarize] = {"t": t_interval, "minmax": min_max}
"""What the intervals of a summary are; differences and verdicts always take 95% intervals."""

SETTING = (
    Column("experiment", str, "", "the experiment"),
    Column("data", str, "", "the data set"),
    Column("model", str, "", "the network"),
    Column("schedule", str, "", "how the masks come about"),
    Column("iterate", str, "", "what levels rewind: `weights`, `lr` or `finetune`", added=True),
    Column("setting", str, "", "the setting that the rows are averaged within"),
)
PLACE = (
    Column("level", int, "", "how often the network was pruned; 0 is dense", at_least=0),
    Column("density", float, "0..1", "kept / prunable weights"),
)
ABOUT = [column.name for column in SETTING]
INTERVAL = {"mean": "mean over seeds", "low": "lower bound of the interval", "high": "upper bound of the interval"}
BOUNDS = tuple(INTERVAL)


def interval_columns(measures: Mapping[str, tuple[str, str]]) -> list[Column]:
    """The columns mean, low and high of each measure; measures: name -> (unit, what it is of).

    An interval may reach beyond what a single value can be, as above an accuracy of 1.
    """
    return [
        Column(
            f"{name}_{bound}",
            float,
            unit,
            f"{meaning} {what}",
            at_least=-math.inf if bound == "low" else None,
            at_most=math.inf if bound == "high" else None,
        )
        for name, (unit, what) in measures.items()
        for bound, meaning in INTERVAL.items()
    ]


def write_tables(folder: Path, table: Table, rows: Sequence[Row], sheets: Sequence[Sheet]) -> None:
    """Writes `rows` of `table` into `folder` as CSV, and as Markdown and LaTeX for people."""
    table.write(folder, rows)
    write_text(folder / f"{table.name}.md", markdown(sheets))
    write_text(folder / f"{table.name}.tex", latex(sheets))


def bounds_of(interval: Interval) -> dict[str, float | None]:
    """The values of the columns mean, low and high."""
    return dict(zip(BOUNDS, (interval.mean, interval.low, interval.high), strict=True))


def span(row: Mapping[str, float | None], prefix: str, factor: float, digits: int, signed: bool = False) -> str:
    """Mean and bounds as text, `factor` times what is in `row`; a dash where nothing was measured.

    signed: of differences, which are shown with their sign; others are above 0.
    """
    mean, low, high = (row[f"{prefix}{bound}"] for bound in BOUNDS)

    def text(value: float) -> str:
        return f"{factor * value:{'+' if signed else ''},.{digits}f}".replace("-", MINUS)

    if mean is None:
        return DASH
    lower, upper = ("" if bound is None else text(bound) for bound in (low, high))
    return bracketed(text(mean), lower, upper, f"{MINUS}∞" if signed else "0")
