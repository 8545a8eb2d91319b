"""All that is written while one replicate of `lth gradient_flow` runs, and when it ends."""

import logging
from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from lth.core.files import write_csv
from lth.core.tables import Row
from lth.flow.looks import AGREEMENT, DISTANCES, LINES, MAP, TABLE, UPDATES
from lth.flow.propagation import SIGNAL
from lth.flow.runs import Compared
from lth.flow.spectra import SPECTRUM
from lth.lottery.ticket import Ticket
from lth.report.job import JobReport
from lth.report.pages.flow import HEADS, cells, write_page
from lth.report.papers.evci2022 import draw_flow

log = logging.getLogger(__name__)

FILES = {
    "table": TABLE,
    "agreement": AGREEMENT,
    "distances": DISTANCES,
    "lines": LINES,
    "signal": SIGNAL,
    "map": MAP,
    "updates": UPDATES,
    "spectrum": SPECTRUM,
}
"""The tables of what was looked at, and their columns; figures are drawn from them."""


class FlowReport(JobReport):
    """Progress while trainings run, then tables, figures, W&B and a summary."""

    def helped(self) -> None:
        """Says what a worker did that writes no results."""
        log.info("%d trained in %.0f s; worker 0 writes the results", len(self.store.trained), self.seconds)

    def results(self, compared: Compared) -> None:
        """Writes `results.csv`, `layers.csv` and `curves.csv`: before the looks, which take a while."""
        for outcomes in compared.outcomes.values():
            for outcome in outcomes:
                self.store.keep_row(self.tables.add(outcome))
        self.tables.write()

    def finish(self, looks: Mapping[str, list[Row]], ticket: Ticket) -> None:
        """Writes the tables of the `looks` (named as `FILES`), figures and the ticket, and says what they show."""
        self.bars.close()
        for name, columns in FILES.items():
            write_csv(self.folder / f"{name}.csv", columns, looks[name])
        rows = self.tables.results
        drawn = draw_flow(self.folder / "figures", rows, self.tables.curves, looks)
        path = ticket.save(self.folder / "ticket.safetensors")
        self.wandb.start(trained=bool(self.store.trained))
        self.wandb.log_level(rows)
        self.finish_wandb(path, drawn)
        work, says = self.work(), sentence(looks["table"])
        write_page(self.folder / "report.html", says, looks["table"], rows, drawn, self.config, work)
        if self.in_sweep:
            log.info("%s: %s %s", self.title, work, self.folder)
        print_table(looks["table"], says, f"{work} Results, figures, report.html in {self.folder}")


def print_table(rows: Sequence[Row], says: str, where: str) -> None:
    """Prints the paper's table, what it says in a sentence, and where everything lies."""
    title = "Within one mask: test accuracy, disagreement in pairs and with the pruned solution (%), L2 distance to it"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in HEADS:
        table.add_column(name, justify="left" if name == "init" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*cells(row, "-"))
    console = Console()
    console.print(table)
    for line in (says, where):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def sentence(rows: Sequence[Row]) -> str:
    """What the table says of lottery and scratch, in words; that it is of one mask alone."""
    by_init = {row["init"]: row for row in rows}
    note = "Runs of a row differ in data order alone: all of this is about one mask."
    if not {"lottery", "scratch"} <= set(by_init):
        return note
    lottery, scratch = by_init["lottery"], by_init["scratch"]
    points = 100 * (lottery["test_accuracy"] - scratch["test_accuracy"])
    text = f"Lottery is {points:+.2f} points from scratch"
    if lottery["disagreement"] is not None and scratch["disagreement"] is not None:
        text += f", its runs disagree on {100 * lottery['disagreement']:.2f}% of the test set against"
        text += f" {100 * scratch['disagreement']:.2f}%"
    near = (lottery["distance_to_pruned"], scratch["distance_to_pruned"])
    return text + f", and it ends {near[0]:.2f} from the pruned solution against {near[1]:.2f}. {note}"
