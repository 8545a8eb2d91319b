"""What an experiment has measured, as its answer, sheets and figures see it: the rows of its tables, and facts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lth.core.tables import Row
from lth.report.intervals import Summarize


@dataclass(frozen=True)
class Results:
    """The rows of one job's tables, or of several seeds together.

    tables: table name -> rows. settings: those of the job; None over seeds. examples: how many each split has, where
    that is known. command: what would run five seeds. bars: what intervals over seeds are; None for one seed, whose
    bands go from the lowest to the highest draw.
    """

    tables: Mapping[str, Sequence[Row]]
    settings: Any = None
    examples: Mapping[str, int] = field(default_factory=dict)
    command: str = ""
    bars: Summarize | None = None

    def __getitem__(self, table: str) -> list[Row]:
        """The rows of `table`; none where nothing was measured."""
        return list(self.tables.get(table, ()))
