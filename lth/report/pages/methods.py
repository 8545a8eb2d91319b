"""The page of one replicate of `lth at_init`: one HTML file that opens offline, the answer first."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lth.core.tables import Row
from lth.lottery.arms import meaning
from lth.report.figures.drawing import Drawn
from lth.report.methods import HEADS, by_method, cells, meanings
from lth.report.pages.replicate import NONE, write_job_page
from lth.report.statistics import arms_of


def write_page(
    path: Path,
    says: str,
    table: Sequence[Row],
    results: Sequence[Row],
    figures: Sequence[Drawn],
    config: Mapping[str, Any],
    work: str,
) -> None:
    """Writes the page as the file `path`; it needs no other file and asks the network for nothing.

    says: the answer, in plain words; table: the rows of `table.csv`; work: what this command did.
    """
    write_job_page(
        path,
        "methods.html.jinja",
        results[0],
        figures,
        config,
        says=says,
        heads=HEADS,
        table=cells(table, NONE),
        methods=meanings(by_method(results)),
        arms={arm: meaning(arm) for arm in arms_of(results)},
        work=work,
    )
