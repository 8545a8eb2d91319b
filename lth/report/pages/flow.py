"""The page of one replicate of `lth gradient_flow`: one HTML file that opens offline, the answer first."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lth.core.tables import Row
from lth.report.figures.drawing import Drawn
from lth.report.pages.replicate import NONE, write_job_page
from lth.report.papers.ways import about, paper_name
from lth.report.statistics import arms_of

HEADS = ("init", "runs", "accuracy", "ensemble", "disagree", "pruned", "L2")
"""The columns of the paper's table as people see it; accuracies and disagreements in percent."""


def cells(row: Row, missing: str = NONE) -> list[str]:
    """A row of `table.csv` as text, a cell for each of HEADS."""
    std = row["test_accuracy_std"]
    accuracy = f"{100 * row['test_accuracy']:.2f}" + (f" ± {100 * std:.2f}" if std is not None else "")
    shares = [row[key] for key in ("ensemble_accuracy", "disagreement", "disagreement_with_pruned")]
    texts = [missing if share is None else f"{100 * share:.2f}" for share in shares]
    return [row["init"], str(row["seeds"]), accuracy, *texts, f"{row['distance_to_pruned']:.2f}"]


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
        "flow.html.jinja",
        results[0],
        figures,
        config,
        says=says,
        heads=HEADS,
        table=[cells(row) for row in table],
        arms={paper_name(arm): about(arm) for arm in arms_of(results)},
        work=work,
    )
