"""The tables of tickets and of their forms, for people."""

import io

from lth.experiments.deploy.sheets import FORMS, HEADS, form_cells, sheets, ticket_cells
from rich.console import Console

from lth.report.results import Results
from lth.report.sheet import DASH


def ticket(kind, level, **search):
    values = {"search_trainings": level, "search_epochs": 1234.5 * level, "search_seconds": 12345.6 * level}
    return {"kind": kind, "level": level, "density": 0.5**level, "test_accuracy": 0.9 - 0.01 * level} | values | search


def test_a_ticket_has_its_smallest_file_and_its_fastest_form(costs):
    cells = ticket_cells(ticket("weights", 2), costs)
    assert cells == ["weights", "25.0%", "88.00", "0.1", "10.0x", "packed8", "2.10x", "shrunk", "2,469", "24,691"]
    dense = ticket_cells(ticket("dense", 0), costs)
    assert dense[3:] == ["1.0", "1.0x", "dense", "1.00x", "dense", DASH, DASH]
    assert len(cells) == len(dense) == len(HEADS)


def test_masked_counts_as_fast_as_dense(costs):
    slow = [row | {"batch_64_speedup": 10.0 if row["form"] == "masked" else 0.5} for row in costs]
    assert ticket_cells(ticket("channels", 3), slow)[6:8] == ["1.00x", "masked"]


def test_a_form_that_runs_as_another_has_no_latency_of_its_own(costs):
    by_form = {row["form"]: form_cells(row) for row in costs if row["level"] == 1 and row["kind"] == "weights"}
    assert by_form["packed_int8"][5:9] == [DASH] * 4
    timed = "100 (100 to 100)"
    assert by_form["csr"][1:9] == ["88.00", "-2.00", "0.7", "0.4", timed, "1.50", timed, "1.60"]
    assert all(len(cells) == len(FORMS) for cells in by_form.values())


def test_the_terminal_has_the_tickets_on_80_columns_and_the_page_their_forms_too(costs):
    tickets = [ticket("dense", 0), *(ticket(kind, level) for kind in ("weights", "channels") for level in (1, 2, 3))]
    first, *others = sheets(Results({"tickets": tickets, "cost": costs}))
    console = Console(file=io.StringIO(), width=80)
    first.print(console)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80 and sum("smaller" in line for line in lines) == 1
    assert len(others) == len(tickets) and all(sheet.folded and not sheet.terminal for sheet in others)
    assert sheets(Results({"tickets": [], "cost": []})) == []
