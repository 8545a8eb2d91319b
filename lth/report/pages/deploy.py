"""The page of one replicate of `lth deploy`: one HTML file that opens offline, the answer first."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lth.core.tables import Row
from lth.report.cost import times_faster
from lth.report.figures.drawing import Drawn
from lth.report.pages.replicate import NONE, write_job_page
from lth.report.statistics import percent

HEADS = ("ticket", "density", "test %", "kB", "smaller", "as", "faster", "as", "epochs", "s")
"""The columns of the table of tickets as people see it."""
SHORT = {"packed_int8": "packed8", "int8_dynamic": "dynamic", "int8_static": "static"}
"""Names of forms in that table, where there is no room for the whole."""
FORMS = ("form", "test %", "change", "kB", "gzip kB", "batch 1, us", "faster", "batch 64, us", "faster", "note")
"""The columns of the table of all forms on the page."""


def ticket_cells(ticket: Row, costs: Sequence[Row], missing: str = NONE) -> list[str]:
    """A ticket as text, a cell for each of HEADS: its smallest file and its fastest form among them."""
    mine = [row for row in costs if (row["kind"], row["level"]) == (ticket["kind"], ticket["level"])]
    dense = next(row for row in costs if row["form"] == "dense")
    files = [row for row in mine if row["bytes"] and (row["form"] != "dense" or ticket["kind"] == "dense")]
    runs = [row for row in files if row["runs_as"] == row["form"]]
    seconds = ticket["search_seconds"]
    smallest, fastest = min(files, key=lambda row: row["bytes"]), max(runs, key=lambda row: times_faster(row, 64))
    return [
        ticket["kind"],
        f"{percent(ticket['density'])}%",
        f"{100 * ticket['test_accuracy']:.2f}",
        f"{smallest['bytes'] / 1e3:,.1f}",
        f"{dense['bytes'] / smallest['bytes']:.1f}x",
        SHORT.get(smallest["form"], smallest["form"]),
        f"{times_faster(fastest, 64):.2f}x",
        SHORT.get(fastest["form"], fastest["form"]),
        f"{ticket['search_epochs']:,.0f}" if ticket["search_trainings"] else missing,
        f"{seconds:,.{0 if seconds >= 10 else 1}f}" if seconds else missing,
    ]


def form_cells(row: Row) -> list[str]:
    """A form as text, a cell for each of FORMS."""

    def cell(value: float | None, digits: int, factor: float = 1.0, sign: str = "") -> str:
        return NONE if value is None else f"{factor * value:{sign},.{digits}f}"

    own = row["runs_as"] == row["form"]
    times = []
    for size in (1, 64):
        seconds, low, high = (row[f"batch_{size}_{what}"] for what in ("seconds", "low", "high"))
        times.append(f"{1e6 * seconds:,.0f} ({1e6 * low:,.0f} to {1e6 * high:,.0f})" if own else NONE)
        times.append(cell(row[f"batch_{size}_speedup"], 2) if own else NONE)
    sizes = [cell(row[key], 1, 1e-3) for key in ("bytes", "gzip_bytes")]
    accuracy = [cell(row["test_accuracy"], 2, 100), cell(row["test_accuracy_change"], 2, 100, "+")]
    return [row["form"], *accuracy, *sizes, *times, row["note"]]


def write_page(
    path: Path,
    says: Sequence[str],
    seen: Mapping[str, Sequence[Row]],
    first: Row,
    figures: Sequence[Drawn],
    config: Mapping[str, Any],
    work: str,
) -> None:
    """Writes the page as the file `path`; it needs no other file and asks the network for nothing.

    says: the answer, a sentence each; seen: the tables of looks by name; first: a row of `results.csv`; work: what this
    command did.
    """
    forms = {
        f"{ticket['kind']}, {percent(ticket['density'])}% of the weights": [
            form_cells(row) for row in seen["cost"] if (row["kind"], row["level"]) == (ticket["kind"], ticket["level"])
        ]
        for ticket in seen["tickets"]
    }
    write_job_page(
        path,
        "deploy.html.jinja",
        first,
        figures,
        config,
        device="cpu",
        says=says,
        heads=HEADS,
        tickets=[ticket_cells(row, seen["cost"]) for row in seen["tickets"]],
        form_heads=FORMS,
        forms=forms,
        work=work,
    )
