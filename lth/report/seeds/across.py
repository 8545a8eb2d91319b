"""What a report shows across questions: methods side by side, tickets of several kinds side by side."""

from dataclasses import dataclass, field

from lth.report.figures.replicate import Drawn
from lth.report.seeds.export import DASH, MINUS, Sheet
from lth.report.seeds.intervals import Interval
from lth.report.tables import Row

NARROW = 7
"""The columns of such a table that a terminal of 80 columns has room for."""


@dataclass
class Across:
    """Figures, sentences and tables across questions, of which settings, and notes of what is left out."""

    figures: list[Drawn] = field(default_factory=list)
    says: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sheets: list[Sheet] = field(default_factory=list)
    settings: set[str] = field(default_factory=set)


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
