"""The summary that a job ends with on the terminal: a table, a plain sentence, and where everything lies."""

from collections.abc import Collection, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lth.core.tables import Row
from lth.report.statistics import STOP, accuracy_column, arms_of, at, densities, over_draws, percent

WIDE = 14
"""Characters of a cell that holds an accuracy and an iteration."""


def summary_table(rows: Sequence[Row], width: int) -> Table:
    """A row a level: density, weights, each arm's test accuracy, and where `width` allows its early-stop iteration.

    The ticket's accuracy is bold where it is the highest of the level.
    """
    column, arms = accuracy_column(rows), arms_of(rows)
    early = column.startswith("early_stop")
    iterations = early and 28 + len(arms) * (WIDE + 3) <= width
    title = "Test accuracy (%) " + ("at the early stop" if early else "at the end") + (" @ its iteration" * iterations)
    table = Table(
        title=title,
        title_justify="left",
        header_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for name in ("level", "density", "weights", *arms):
        table.add_column(name, justify="right")
    for level, density in densities(rows).items():
        left = next(row["weights_left"] for row in rows if row["level"] == level)
        accuracies = {arm: at(rows, level, arm, column) for arm in arms}
        measured = [value for value in accuracies.values() if value is not None]
        cells = []
        for arm, accuracy in accuracies.items():
            leads = arm == "ticket" and len(measured) > 1 and accuracy == max(measured)
            cell = Text("-" if accuracy is None else f"{100 * accuracy:.2f}", style="bold green" if leads else "")
            draws = [row for row in rows if row["level"] == level and row["arm"] == arm]
            stop = over_draws(draws, STOP) if iterations else None
            text = f"{'≥' if stop.censored else ''}{stop.mean:,.0f}" if stop else ""
            cells.append(cell.append(f" @{text:>7}", style="not bold dim") if stop else cell)
        table.add_row(str(level), f"{percent(density)}%", f"{left:,}", *cells)
    return table


def print_summary(rows: Sequence[Row], sentence: str, folder: Path, seconds: float, trained: Collection[str]) -> None:
    """Prints the table, the sentence, and where the results lie."""
    console = Console()
    console.print(summary_table(rows, console.width))
    found = {row["run"] for row in rows} - set(trained)
    count = f"{len(trained)} trained, {len(found)} found in the store, {seconds:.0f} s."
    for line in (sentence, f"{count} Results, figures, report.html in {folder}"):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
