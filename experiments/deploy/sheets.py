"""The tables of `lth deploy` for people: tickets, and every form of each."""

from collections.abc import Sequence

from lth.core.tables import Row
from lth.report.cost import times_faster
from lth.report.results import Results
from lth.report.sheet import DASH, Sheet
from lth.report.statistics import percent

from .answer import TIMED

HEADS = ("ticket", "density", "test %", "kB", "smaller", "as", "faster", "as", "epochs", "s")
"""The columns of the table of tickets, for people."""
SHORT = {"packed_int8": "packed8", "int8_dynamic": "dynamic", "int8_static": "static"}
"""Short names of forms in that table."""
FORMS = ("form", "test %", "change", "kB", "gzip kB", "batch 1, us", "faster", "batch 64, us", "faster", "note")
"""The columns of the table of all forms on the page."""


def ticket_cells(ticket: Row, costs: Sequence[Row], missing: str = DASH) -> list[str]:
    """A ticket as text, a cell for each of HEADS, among them its smallest file and its fastest form."""
    forms = [row for row in costs if (row["kind"], row["level"]) == (ticket["kind"], ticket["level"])]
    dense = next(row for row in costs if row["form"] == "dense")
    files = [row for row in forms if row["bytes"] and (row["form"] != "dense" or ticket["kind"] == "dense")]
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
        f"{seconds:,.{0 if seconds >= 1 else 1}f}" if seconds else missing,
    ]


def form_cells(row: Row) -> list[str]:
    """A form as text, a cell for each of FORMS."""

    def cell(value: float | None, digits: int, factor: float = 1.0, sign: str = "") -> str:
        return DASH if value is None else f"{factor * value:{sign},.{digits}f}"

    timed = row["runs_as"] == row["form"]  # a form that runs as another has that one's latency
    times = []
    for size in (1, 64):
        seconds, low, high = (row[f"batch_{size}_{what}"] for what in ("seconds", "low", "high"))
        times.append(f"{1e6 * seconds:,.0f} ({1e6 * low:,.0f} to {1e6 * high:,.0f})" if timed else DASH)
        times.append(cell(row[f"batch_{size}_speedup"], 2) if timed else DASH)
    sizes = [cell(row[key], 1, 1e-3) for key in ("bytes", "gzip_bytes")]
    accuracy = [cell(row["test_accuracy"], 2, 100), cell(row["test_accuracy_change"], 2, 100, "+")]
    return [row["form"], *accuracy, *sizes, *times, row["note"]]


NOTE = (
    "Density: kept weights of all Linear layers and convolutions. kB: the smallest file (1 kB = 1000 bytes), how many"
    " times smaller it is than the dense one, and in which form. Faster: the fastest form at batch 64 against the"
    " dense network, timed by turns (masked counts as 1x, since it runs the dense network's kernels). Epochs and s:"
    " what the search took before the ticket itself was trained. packed8 is packed_int8; static and dynamic are int8."
)


def sheets(results: Results) -> list[Sheet]:
    """A row for each ticket, and for each ticket a table of all its forms."""
    tickets, costs = results["tickets"], results["cost"]
    if not costs:
        return []
    title = f"Tickets (smallest file; fastest form, batch {TIMED}; search: epochs, s)"
    first = Sheet(title, HEADS, [ticket_cells(ticket, costs) for ticket in tickets], note=NOTE, texts=("as",))
    return [first, *(form_sheet(ticket, costs) for ticket in tickets)]


def form_sheet(ticket: Row, costs: Sequence[Row]) -> Sheet:
    """Every form of one ticket."""
    forms = [row for row in costs if (row["kind"], row["level"]) == (ticket["kind"], ticket["level"])]
    title = f"Forms of {ticket['kind']}, {percent(ticket['density'])}% of the weights"
    return Sheet(title, FORMS, [form_cells(row) for row in forms], texts=("note",), folded=True, terminal=False)
