"""All that is written while one replicate of `lth deploy` runs, and when it ends."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console

from lth.compression.cost import BATCHES
from lth.core.files import write_csv
from lth.core.tables import Row
from lth.flow.worth import COST, DENSE, GRID, SENSITIVITY, TICKETS
from lth.lottery.arms import Outcome
from lth.lottery.ticket import Ticket
from lth.report.cost import BESIDE_ONE, DENSE_KERNELS, noise_sentence, table, times_faster
from lth.report.figures.deploy import draw_deploy
from lth.report.job import JobFacts, JobReport
from lth.report.pages.deploy import HEADS, ticket_cells, write_page
from lth.report.statistics import binomial_error, percent

log = logging.getLogger(__name__)

FILES = {"cost": COST, "grid": GRID, "tickets": TICKETS, "sensitivity": SENSITIVITY}
"""The tables of looks, and their columns; figures are drawn from them."""
WITHIN = 0.005
"""What of accuracy (0..1) a form may lose of the dense network's to be named in the answer."""
TIMED = 64
"""The batch size that the answer is about."""


class DeployReport(JobReport):
    """Progress while trainings run, then tables, figures, W&B and a summary."""

    def __init__(self, job: JobFacts) -> None:
        super().__init__(job)
        self.kinds: dict[str, list[Row]] = {}
        self.seen: Mapping[str, list[Row]] = {}
        self.examples: Mapping[str, int] = {}

    def added(self, kind: str, about: Mapping[str, Any], outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """Each of `outcomes`, the tickets of one kind, with its row in the tables and beside its run in the store.

        about: the columns of `results.csv` that name the experiment; the setting differs from kind to kind.
        """
        self.tables.about = about
        for outcome in outcomes:
            row = self.tables.add(outcome)
            self.store.keep_row(row)
            self.kinds.setdefault(kind, []).append(row)
            self.wandb.start(trained=bool(self.store.trained))
            self.bars.done(f"{kind}, level {outcome.level.index}")
            yield outcome

    def rows_of(self, kind: str) -> list[Row]:
        """The rows of `results.csv` of one kind; of the dense network those of the first."""
        return self.kinds[kind] if kind in self.kinds else next(iter(self.kinds.values()))

    def results(self) -> None:
        """Writes `results.csv`, `layers.csv` and `curves.csv`: before the looks, which take a while."""
        self.tables.write()

    def nothing(self) -> None:
        """Says that there is nothing to look at."""
        log.warning("%s: the dense network's training diverged: there is no ticket to look at", self.title)

    def looks(self, seen: Mapping[str, list[Row]], examples: Mapping[str, int]) -> None:
        """Writes the tables of what was `seen`, named as `FILES`; examples: of each split."""
        self.bars.close()
        self.seen, self.examples = seen, examples
        for name, columns in FILES.items():
            write_csv(self.folder / f"{name}.csv", columns, seen[name])

    def finish(self, ticket: Ticket) -> None:
        """Draws figures, writes the page and the ticket, and says what they show."""
        drawn = draw_deploy(self.folder / "figures", self.seen, self.examples)
        path = ticket.save(self.folder / "ticket.safetensors")
        for row in self.seen["tickets"]:
            name = f"{row['kind']}/final_test_accuracy"
            self.wandb.log({"level": row["level"], "density": row["density"], name: row["test_accuracy"]}, row["level"])
        rows = self.tables.results
        self.finish_wandb(path, drawn)
        work = self.work()
        says = sentences(self.seen["cost"], self.examples)
        write_page(self.folder / "report.html", says, self.seen, rows[0], drawn, self.config, work)
        if self.in_sweep:
            log.info("%s: %s %s", self.title, work, self.folder)
        else:
            print_tickets(self.seen, says, f"{work} Results, figures, report.html in {self.folder}")


def print_tickets(seen: Mapping[str, list[Row]], says: Sequence[str], where: str) -> None:
    """Prints a row a ticket, what the forms show in sentences, and where everything lies."""
    console = Console()
    rows = [ticket_cells(ticket, seen["cost"], "-") for ticket in seen["tickets"]]
    console.print(table(f"Tickets (smallest file; fastest form, batch {TIMED}; search: epochs, s)", HEADS, rows))
    for line in says:
        console.print(line, highlight=False, markup=False)
    console.print(where, highlight=False, markup=False, soft_wrap=True)


def sentences(costs: Sequence[Row], examples: Mapping[str, int]) -> list[str]:
    """What the forms show: the smallest and the fastest whose accuracy holds, and that masked zeros save no time.

    Which hold is judged on validation, where there is a split, so that the test set chooses nothing. examples: of each
    split, for the error of that judgement.
    """
    split, dense, found = best_forms(costs)
    accuracy = dense[f"{split}_accuracy"]
    error = 100 * binomial_error(accuracy, accuracy, examples[split])
    masked = [row[f"batch_{TIMED}_speedup"] for row in costs if row["form"] == "masked"]
    ran = f" Measured at {min(masked):.2f} to {max(masked):.2f}x, it counts as 1x: the rest is {BESIDE_ONE}."
    noise = noise_sentence(costs, BATCHES)
    found.append(f"The binomial error of a difference on {examples[split]:,} {split} examples is {error:.2f} points.")
    return [*found, DENSE_KERNELS + (ran if masked else ""), *([noise] if noise else [])]


def best_forms(costs: Sequence[Row]) -> tuple[str, Row, list[str]]:
    """The split that forms are judged on, the dense network's row, and the smallest and the fastest form in words."""
    split = "validation" if any(row["validation_accuracy"] is not None for row in costs) else "test"
    key = f"{split}_accuracy"
    dense = next(row for row in costs if row["kind"] == DENSE and row["form"] == DENSE)
    holding = [row for row in costs if row[key] is not None and row[key] >= dense[key] - WITHIN and row["bytes"]]
    smallest = min(holding, key=lambda row: row["bytes"])
    fastest = max((row for row in holding if row["runs_as"] == row["form"]), key=lambda row: times_faster(row, TIMED))
    return (
        split,
        dense,
        [
            f"Within {100 * WITHIN:g} points of the dense network on {split}, the smallest file is {_name(smallest)}:"
            f" {dense['bytes'] / smallest['bytes']:.1f} times smaller, at {_accuracy(smallest)}",
            f"The fastest at batch {TIMED} is {_name(fastest)}: {times_faster(fastest, TIMED):.2f} times as fast as"
            f" dense, at {_accuracy(fastest)}",
        ],
    )


def _name(row: Row) -> str:
    if row["kind"] == DENSE:
        return "the dense network" + (f" as {row['form']}" if row["form"] != DENSE else "")
    return f"{row['form']} of {row['kind']} at {percent(row['density'])}%"


def _accuracy(row: Row) -> str:
    change = row["test_accuracy_change"]
    points = "" if change is None else f" ({100 * change:+.2f} points)"
    return f"{100 * row['test_accuracy']:.2f}% of the test set{points}."
