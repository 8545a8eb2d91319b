"""What one replicate of `lth gradient_flow` shows: a sentence, and the paper's table for people."""

from collections.abc import Sequence

from lth.core.tables import Row
from lth.report.failures import failures
from lth.report.results import Results
from lth.report.sheet import DASH, Sheet
from lth.report.statistics import arms_of

from .figures.styles import about, paper_name

HEADS = ("init", "runs", "accuracy", "ensemble", "disagree", "pruned", "L2")
"""The columns of the paper's table for people; accuracies and disagreements in percent."""


def answer(results: Results) -> list[str]:
    """Lottery against scratch, in words, that all of it is about one mask, and how many runs failed."""
    return [sentence(results["table"]), *failing(results["results"])]


def failing(rows: Sequence[Row]) -> list[str]:
    """How many runs of each arm failed, where some did, from the rows of `results.csv`."""
    rates = {arm: failures(row for row in rows if row["arm"] == arm) for arm in arms_of(rows)}
    failed = [f"of {paper_name(arm)} {rate}" for arm, rate in rates.items() if rate.failed]
    return [f"Runs that diverged, or ended no better than one class: {'; '.join(failed)}."] if failed else []


def sentence(rows: Sequence[Row]) -> str:
    """What the rows of `table.csv` say of lottery and scratch."""
    by_init = {row["init"]: row for row in rows}
    note = "The runs of a row share one mask: all of this is about one mask."
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
        "Means over runs that did not fail, accuracies with their standard deviation. disagree: pairs of runs that"
        " classify a test example differently, in % of the test set; pruned: the same of a run and the pruned solution;"
        " L2: the distance of a run's final weights from those of the pruned solution."
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
    runs = f"{row['seeds']}" + (f" ({row['failed']} failed)" if row["failed"] else "")
    return [row["init"], runs, accuracy, *texts, f"{row['distance_to_pruned']:.2f}"]
