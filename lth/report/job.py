"""What the reports of all experiments that train have in common: progress, tables, W&B, and what the job did."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lth.report.figures.replicate import Drawn
from lth.report.progress import Progress
from lth.report.tables import RESULTS, Tables
from lth.report.wandb.tracking import Chart, Wandb
from lth.store.runs import Store


@dataclass(frozen=True)
class JobFacts:
    """What the report of a job is told before it begins.

    about: the columns of `results.csv` that name the experiment; config: the whole configuration, for the page;
    trainings: how many are to come; store: knows which runs this command has trained, rather than found; job_of_sweep:
    this job's number, where it is one of several.
    """

    folder: Path
    about: Mapping[str, Any]
    config: Mapping[str, Any]
    trainings: int
    wandb: Wandb
    store: Store
    job_of_sweep: int | None = None


class JobReport:
    """Progress while trainings run, the tables that fill, and the W&B run of one replicate.

    title: what it is called, by its seed unless it is given.
    """

    whole = False
    """Whether the tables are written, as far as they go, when something ends the job early."""

    def __init__(self, job: JobFacts, title: str | None = None) -> None:
        self.folder, self.config, self.wandb, self.store = job.folder, job.config, job.wandb, job.store
        self.tables = Tables(job.folder, job.about)
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

    def finish_wandb(self, ticket: Path, drawn: Sequence[Drawn], charts: Sequence[Chart] = ()) -> None:
        """Logs the results, the figures, `charts` and the `ticket`, and ends the run."""
        rows = [[row[column] for column in RESULTS] for row in self.tables.results]
        self.wandb.finish(RESULTS, rows, ticket, {figure.path: figure.caption for figure in drawn}, charts)
