"""What the reports of all experiments that train have in common: progress, tables, W&B, and what the job did."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lth.core.tables import Row, Table
from lth.lottery.arms import Outcome
from lth.report.figures.drawing import Drawn
from lth.report.progress import Progress
from lth.report.tables import CURVES, LAYERS, RESULTS, curve_rows, layer_rows, result_row, with_observed
from lth.report.wandb.tracking import Ending, Wandb
from lth.store.runs import Store


@dataclass(frozen=True)
class JobFacts:
    """What the report of a job is told before it begins.

    about: the columns of `results.csv` that name the experiment; config: the whole configuration, for the page;
    trainings: how many are to come; store: knows which runs this command has trained, rather than found; job_of_sweep:
    this job's number, where it is one of several; tables: further ones than those of every job.
    """

    folder: Path
    about: Mapping[str, Any]
    config: Mapping[str, Any]
    trainings: int
    wandb: Wandb
    store: Store
    job_of_sweep: int | None = None
    tables: Sequence[Table] = ()


class JobReport:
    """Progress while trainings run, the tables that fill, and the W&B run of one replicate.

    title: what it is called, by its seed unless it is given.
    """

    whole = False
    """Whether the tables are written, as far as they go, when something ends the job early."""

    def __init__(self, job: JobFacts, title: str | None = None) -> None:
        self.folder, self.config, self.wandb, self.store = job.folder, job.config, job.wandb, job.store
        self.tables = Tables(job.folder, job.about, job.tables)
        self.title = title or f"seed {job.about['seed']}"
        self.in_sweep = job.job_of_sweep is not None  # then a line a job, since several share the terminal
        self.bars = Progress(job.trainings, self.title, row=job.job_of_sweep)
        self.began = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.bars.close()
        if self.whole and kind is not None and self.tables.results:
            self.tables.write()
        self.wandb.stop()

    @property
    def seconds(self) -> float:
        """Since the job began."""
        return time.perf_counter() - self.began

    def work(self) -> str:
        """What this command did, in words."""
        trained = self.store.trained
        found = {row["run"] for row in self.tables.results} - trained
        return f"{len(trained)} trained, {len(found)} found in the store, {self.seconds:.0f} s."

    def finish_wandb(self, ticket: Path, drawn: Sequence[Drawn], results: Sequence[Row] | None = None) -> None:
        """Logs the results (those of the tables unless they are given), the figures and the `ticket`; ends the run."""
        rows = self.tables.results if results is None else results
        figures = {figure.path: figure.caption for figure in drawn}
        self.wandb.finish(Ending([ticket], rows, self.tables.curves, figures))


class Tables:
    """The tables of a job as they grow, written whole after every level.

    declared: further ones, each written as soon as it has rows.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any], declared: Sequence[Table] = ()) -> None:
        self.folder, self.about, self.declared = folder, about, declared
        self.results: list[Row] = []
        self.layers: list[Row] = []
        self.curves: list[Row] = []
        self.rows: dict[str, list[Row]] = {table.name: [] for table in declared}
        self._drawn: set[str] = set()
        self._placed: set[tuple[str, int, str, int]] = set()

    def add(self, outcome: Outcome, about: Mapping[str, Any] | None = None) -> Row:
        """Adds one trained arm; its row of `results.csv`. `about`: where it is not that of the whole job."""
        row = result_row(outcome, about or self.about)
        self.results.append(row)
        place = (outcome.result.run, outcome.level.index, outcome.arm, outcome.draw)
        if place not in self._placed:  # the dense network is that of several settings
            self._placed.add(place)
            self.layers += layer_rows(outcome)
        if outcome.result.run not in self._drawn:  # two arms may be one training
            self._drawn.add(outcome.result.run)
            self.curves += curve_rows(outcome.result)
        return row

    def add_rows(self, rows: Iterable[tuple[str, Row]]) -> None:
        """Adds rows of the declared tables, each with its table's name."""
        for table, row in rows:
            self.rows[table].append(row)

    def write(self) -> None:
        """Writes `results.csv`, `layers.csv` and `curves.csv`, and the declared tables that have rows."""
        for table, rows in ((RESULTS, self.results), (LAYERS, self.layers), (CURVES, self.curves)):
            with_observed(table, rows).write(self.folder, rows)
        for table in self.declared:
            if self.rows[table.name]:
                table.write(self.folder, self.rows[table.name])
