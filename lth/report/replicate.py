"""All that is written while one replicate runs, and when it ends: tables, progress, W&B, figures, page, summary."""

import logging
from collections.abc import Sequence

from lth.analysis.probes import PROBES_TABLE, measures_of
from lth.compression.search_cost import Pace, Scoring
from lth.core.files import write_csv
from lth.core.tables import Row
from lth.lottery.arms import Outcome
from lth.lottery.ticket import Ticket
from lth.report.figures.replicate import draw_replicate
from lth.report.job import JobFacts, JobReport
from lth.report.pages.replicate import write_page
from lth.report.search import COLUMNS, search_cells, search_rows, search_sentence
from lth.report.statistics import STOP, accuracy_column, arms_of, at, densities, mean, sentence
from lth.report.tables import curve_rows, layer_rows
from lth.report.terminal import print_summary
from lth.report.wandb.tracking import Chart
from lth.training.run_spec import Progress, RunSpec

log = logging.getLogger(__name__)

LEVEL_METRICS = (
    "early_stop_test_accuracy",
    "final_test_accuracy",
    "early_stop_iteration",
    "early_stop_val_loss",
    "grad_norm_init",
    "grad_norm_end",
)
"""What is logged of each arm at each level. A search chooses by `ticket/early_stop_val_loss`: no test set is in it."""
CURVE_METRICS = ("train_loss", "val_loss", "val_accuracy", "test_accuracy", "grad_norm", "lr")


class Replicate(JobReport):
    """Takes each trained arm as it comes, and what was seen of a level; whatever ends the job, its tables are whole.

    command: what would run five seeds.
    """

    whole = True

    def __init__(self, job: JobFacts, command: str) -> None:
        super().__init__(job, f"seed {job.about['seed']}, {job.about['schedule']}")
        self.command = command
        self.level: list[Outcome] = []  # the outcomes of the present level

    def progress(self, job: RunSpec) -> Progress:
        """What a training of `job` calls with its iterations."""
        return self.bars.training(job.plan.start, job.plan.stop)

    def looking(self, what: str, count: int) -> Progress:
        """What is called with the number of looks, of `count`, that are done."""
        return self.bars.looking(what, count)

    def add(self, outcome: Outcome) -> None:
        """Takes one outcome: a row in the tables, and beside the run in the store."""
        self.level.append(outcome)
        self.store.keep_row(self.tables.add(outcome))
        self.wandb.start(trained=bool(self.store.trained))
        twin = next((x.arm for x in self.level[:-1] if x.result.run == outcome.result.run), None)
        if twin:
            log.warning("level %d: %s and %s are one training here", outcome.level.index, twin, outcome.arm)
        for row in curve_rows(outcome.result) if outcome.draw == 0 else ():
            place = f"curve/{outcome.arm}/level_{outcome.level.index:02}"
            values = {f"{place}/{key}": row[key] for key in CURVE_METRICS if row[key] is not None}
            self.wandb.log({"iteration": row["iteration"], **values}, outcome.level.index)
        self.bars.done(f"level {outcome.level.index}, {100 * outcome.level.density:.1f}%, {outcome.arm}")

    def finish(self, ticket: Ticket, test_examples: int, pace: Pace, scoring: Scoring | None) -> None:
        """Writes everything that there is to see, and says what it shows.

        pace, scoring: of every training, and of a score that asks the network, for what the tickets took to find.
        """
        self.bars.close()
        path = ticket.save(self.folder / "ticket.safetensors")
        results = self.tables.results
        searched = search_rows(results, pace, scoring)
        write_csv(self.folder / "search.csv", COLUMNS, searched)
        says = sentence(results, test_examples, self.command, search_sentence(searched))
        tables = self.tables
        drawn = draw_replicate(
            self.folder / "figures", results, tables.layers, tables.curves, tables.rows[PROBES_TABLE.name]
        )
        seconds = self.seconds
        done = seconds, len(self.store.trained)
        write_page(self.folder / "report.html", says, results, drawn, self.config, *done, search_cells(searched))
        self.finish_wandb(path, drawn, charts(results))
        if self.in_sweep:
            trained = self.store.trained
            found = {row["run"] for row in results} - trained
            log.info("%s: %d trained, %d found, %.0f s: %s", self.title, len(trained), len(found), seconds, self.folder)
        else:
            print_summary(results, says, self.folder, seconds, self.store.trained)

    def close_level(self, measured: Sequence[tuple[str, Row]]) -> None:
        """Writes the tables, and logs the level that is over: means over the draws of its arms.

        measured: what the probes measured at the level, as (name of a table, row).
        """
        self.tables.add_rows(measured)
        self.tables.write()
        level = self.level[0].level
        values: Row = {"level": level.index, "density": level.density, "sparsity": 1 - level.density}
        rows = [row for row in self.tables.results if row["level"] == level.index]
        probed = [row for table, row in measured if table == PROBES_TABLE.name]
        values |= means(rows, LEVEL_METRICS) | means(probed, measures_of(self.tables.declared))
        for row in layer_rows(self.level[0]):
            place = f"layer/{row['layer']}"
            values |= {f"{place}/density": row["density"], f"{place}/sparsity": 1 - row["density"]}
            if row["grad_norm_init"] is not None:
                values[f"{place}/grad_norm"] = row["grad_norm_init"]
        self.wandb.start(trained=bool(self.store.trained or self.store.looked))
        self.wandb.log(values, level.index)
        self.level = []


def means(rows: Sequence[Row], metrics: Sequence[str]) -> Row:
    """`<arm>/<metric>` -> the mean over the rows of that arm, for all that was measured."""
    found = {
        f"{arm}/{metric}": mean(row[metric] for row in rows if row["arm"] == arm)
        for arm in arms_of(rows)
        for metric in metrics
    }
    return {key: value for key, value in found.items() if value is not None}


def charts(results: Sequence[Row]) -> list[Chart]:
    """Accuracy and early stop by level, the arms of one replicate together; what was not measured is left out."""
    column = accuracy_column(results)
    accuracy = "Test accuracy at early stop" if column.startswith("early_stop") else "Test accuracy at the end"
    found = []
    for name, title, metric in (("accuracy", accuracy, column), ("early_stop", "Early-stop iteration", STOP)):
        lines: dict[str, list[tuple[int, float]]] = {}
        for arm in arms_of(results):
            for level in densities(results):
                value = at(results, level, arm, metric)
                if value is not None:
                    lines.setdefault(arm, []).append((level, value))
        if any(len(line) > 1 for line in lines.values()):
            found.append(Chart(f"{name}_by_level", f"{title}, by level", lines))
    return found
