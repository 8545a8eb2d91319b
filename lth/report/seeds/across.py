"""What a report shows across questions: methods side by side, tickets of several kinds side by side."""

from dataclasses import dataclass, field

from lth.report.figures.replicate import Drawn
from lth.report.seeds.export import Sheet

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
