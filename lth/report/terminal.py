"""The summary that a job ends with on the terminal: a table, a plain sentence, and where everything lies."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lth.report.statistics import accuracy_column, arms_of, at, densities
from lth.report.tables import Row


def summary_table(rows: Sequence[Row]) -> Table:
    """A row a level: density, weights, and each arm's test accuracy and early-stop iteration; bold where the ticket leads."""
    column, arms = accuracy_column(rows), arms_of(rows)
    early = column.startswith("early_stop")
    title = "Test accuracy in %" + (" at the early stop, and its iteration" if early else " at the end")
    table = Table(title=title, title_justify="left", header_style="bold")
    for name in ("level", "density %", "weights"):
        table.add_column(name, justify="right")
    for arm in arms:
        table.add_column(arm, justify="right")
    for arm in arms if early else ():
        table.add_column(f"{arm} it.", justify="right", style="dim")
    for level, density in densities(rows).items():
        left = next(row["weights_left"] for row in rows if row["level"] == level)
        accuracies = [at(rows, level, arm, column) for arm in arms]
        stops = [at(rows, level, arm, "early_stop_iteration") for arm in arms] if early else []
        leads = len([x for x in accuracies if x is not None]) > 1 and accuracies[0] == max(
            x for x in accuracies if x is not None
        )
        cells = ["–" if x is None else f"{100 * x:.2f}" for x in accuracies]
        if leads:
            cells[0] = f"[bold green]{cells[0]}[/]"
        iterations = ["–" if x is None else f"{x:,.0f}" for x in stops]
        table.add_row(str(level), f"{100 * density:.1f}", f"{left:,}", *cells, *iterations)
    return table


def print_summary(rows: Sequence[Row], sentence: str, folder: Path, seconds: float, trained: int) -> None:
    """Prints the table, the sentence, and where the results lie."""
    console = Console()
    console.print(summary_table(rows))
    console.print(sentence, highlight=False, soft_wrap=True)
    found = len({row["run"] for row in rows}) - trained
    console.print(
        f"{trained} trained, {max(0, found)} found in the store, {seconds:.0f} s. Results, figures and report.html in {folder}",
        highlight=False,
        soft_wrap=True,
    )
