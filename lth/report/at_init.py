"""All that is written while one replicate of `lth at_init` runs, and when it ends."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lth.compression.search_cost import Pace, Scoring
from lth.core.files import write_csv
from lth.core.tables import Row
from lth.lottery.arms import Outcome
from lth.lottery.ticket import Ticket
from lth.report.effects import sentence
from lth.report.job import JobFacts, JobReport
from lth.report.methods import TABLE, by_method, compared, print_table, table_rows
from lth.report.pages.methods import write_page
from lth.report.papers.frankle2021 import draw_methods
from lth.report.replicate import means
from lth.report.statistics import densities

log = logging.getLogger(__name__)

METRICS = ("final_test_accuracy", "early_stop_test_accuracy", "grad_norm_init", "grad_norm_end")
NEXT = "For a verdict: the same with -m seed=0,1,2, then lth report."


class AtInitReport(JobReport):
    """Takes each trained arm of each method as it comes; then tables, figures, W&B and a summary.

    methods: method -> the columns of `results.csv` that name it.
    """

    whole = True

    def __init__(self, job: JobFacts, methods: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__(job)
        self.methods = methods
        self.tickets: list[Path] = []

    def add(self, method: str, outcome: Outcome) -> None:
        """Takes one outcome: a row in the tables, and beside the run in the store."""
        self.store.keep_row(self.tables.add(outcome, self.methods[method]))
        self.wandb.start(trained=bool(self.store.trained))
        self.bars.done(f"{method}, {100 * outcome.level.density:.1f}%, {outcome.arm}")

    def close_method(self, method: str, ticket: Ticket) -> None:
        """Writes the tables as far as they go, and the method's last `ticket`."""
        self.tables.write()
        self.tickets.append(ticket.save(self.folder / f"{method}.safetensors"))

    def finish(self, pace: Pace, scoring: Mapping[str, Scoring | None], test_examples: int) -> None:
        """Writes everything that there is to see, and says what it shows. scoring: of each method, at one pruning."""
        self.bars.close()
        rows = self.tables.results
        table = table_rows(rows, pace, scoring)
        write_csv(self.folder / "table.csv", TABLE, table)
        drawn = draw_methods(self.folder / "figures", rows)
        for level, values in level_values(rows).items():
            self.wandb.log(values, level)
        self.finish_wandb(self.tickets[0], drawn)
        work = self.work()
        says = f"{sentence(rows, test_examples)} {NEXT}"
        write_page(self.folder / "report.html", says, table, rows, drawn, self.config, work)
        if self.in_sweep:
            log.info("%s: %s %s", self.title, work, self.folder)
        else:
            print_table(table, [says, f"{work} Results, figures, report.html in {self.folder}"])


def level_values(rows: list[Row]) -> dict[int, Row]:
    """What W&B gets of each level compared: the numbers of each method's arms, means over their draws."""
    found: dict[int, Row] = {}
    here = compared(rows)
    for level, density in sorted(densities(here).items()):
        values: Row = {"level": level, "density": density, "sparsity": 1 - density}
        for method, own in by_method(here).items():
            at_level = [row for row in own if row["level"] == level]
            values |= {f"{method}/{key}": value for key, value in means(at_level, METRICS).items()}
        found[level] = values
    return found
