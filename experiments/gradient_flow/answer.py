"""What one replicate of `lth gradient_flow` shows: a sentence, and the paper's table for people."""

from collections.abc import Sequence

from lth.core.tables import Row
from lth.report.results import Results
from lth.report.sheet import DASH, Sheet
from lth.report.statistics import arms_of

from .figures.styles import about, paper_name

HEADS = ("init", "runs", "accuracy", "ensemble", "disagree", "pruned", "L2")
"""The columns of the paper's table for people; accuracies and disagreements in percent."""


def answer(results: Results) -> list[str]:
    """Lottery against scratch, in words, and that all of it is about one mask."""
    return [sentence(results["table"])]


def sentence(rows: Sequence[Row]) -> str:
    """What the rows of `table.csv` say of lottery and scratch."""
    by_init = {row["init"]: row for row in rows}
    note = "Runs of a row differ in data order alone: all of this is about one mask."
    if not {"lottery", "scratch"} <= set(by_init):
        return note
    lottery, scratch = by_init["lottery"], by_init["scratch"]
    points = 100 * (lottery["test_accuracy"] - scratch["test_accuracy"])
    text = f"The test accuracy of lottery is {points:+.2f} points from that of scratch"
    if lottery["disagreement"] is not None and scratch["disagreement"] is not None:
        text += (
            f"; its runs disagree on {100 * lottery['disagreement']:.2f}% of the test set, those of scratch on"
            f" {100 * scratch['disagreement']:.2f}%"
        )
    distances = (lottery["distance_to_pruned"], scratch["distance_to_pruned"])
    return (
        f"{text}. The L2 distance of its final weights from the pruned solution is {distances[0]:.2f}, that of scratch"
        f" {distances[1]:.2f}. {note}"
    )


def sheets(results: Results) -> list[Sheet]:
    """The paper's table, a row for each kind of initial weights."""
    note = (
        "Means over runs, accuracies with their standard deviation. disagree: pairs of runs that classify a test"
        " example differently, in % of the test set; pruned: the same of a run and the pruned solution; L2: the"
        " distance of a run's final weights from those of the pruned solution."
    )
    legend = {paper_name(arm): about(arm) for arm in arms_of(results["results"])}
    rows = [cells(row) for row in results["table"]]
    return [Sheet("Within one mask: accuracy and disagreement (%), L2 distance", HEADS, rows, note=note, legend=legend)]


def cells(row: Row) -> list[str]:
    """A row of `table.csv` as text, a cell for each of HEADS."""
    std = row["test_accuracy_std"]
    accuracy = f"{100 * row['test_accuracy']:.2f}" + (f" ± {100 * std:.2f}" if std is not None else "")
    shares = [row[key] for key in ("ensemble_accuracy", "disagreement", "disagreement_with_pruned")]
    texts = [DASH if share is None else f"{100 * share:.2f}" for share in shares]
    return [row["init"], str(row["seeds"]), accuracy, *texts, f"{row['distance_to_pruned']:.2f}"]
