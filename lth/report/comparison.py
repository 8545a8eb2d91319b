"""What a report shows across questions: methods side by side, tickets of several kinds side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from lth.core.tables import Row, Table
from lth.report.figures.drawing import Figure
from lth.report.intervals import Interval
from lth.report.results import Results
from lth.report.sheet import DASH, MINUS, Sheet

NARROW = 7
"""The columns of such a table that a terminal of 80 columns has room for."""


@dataclass(frozen=True)
class Comparison:
    """What an experiment shows across settings, as methods side by side; one for each data set, network and length.

    name: of its table (`<name>.csv`, .md and .tex) and its figures' folder. about: what it is a comparison on. answer:
    what it shows, in sentences or paragraphs. rows: of `table`, over seeds. results: what its `figures` are drawn from.
    settings: those that it stands for: their own tables are not printed besides. notes: what is left out, and why.
    """

    name: str
    about: str
    answer: Sequence[str] = ()
    table: Table | None = None
    rows: Sequence[Row] = ()
    sheet: Sheet | None = None
    figures: Sequence[Figure] = ()
    results: Results | None = None
    settings: frozenset[str] = frozenset()
    notes: Sequence[str] = ()


def bounds(name: str, interval: Interval) -> Row:
    """The columns `name`_mean, _low and _high."""
    return {f"{name}_mean": interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}


def span(row: Row, name: str, factor: float, signed: bool = False) -> str:
    """A mean, and half of its interval; a dash where nothing was measured."""
    middle, high = row[f"{name}_mean"], row[f"{name}_high"]
    if middle is None:
        return DASH
    text = f"{factor * middle:{'+' if signed else ''}.2f}".replace("-", MINUS)
    return text if high is None else f"{text} ±{factor * (high - middle):.2f}"
