"""One W&B run for one replicate. W&B shows and never stores: the job's own files are the truth."""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth.core.tables import Row
from lth.report.figures.curves import levels_shown
from lth.report.wandb.charts import level_charts, pictures, show_chart, show_table, training_charts
from lth.report.wandb.guard import guarded, posted
from lth.report.wandb.levels import LevelMetrics
from lth.report.wandb.mode import mode_without_key, wandb_mode
from lth.report.wandb.run import RunInfo, begin, by_agent, gave_up

if TYPE_CHECKING:
    from lth.settings import TrainingSettings  # its values are read here


@dataclass(frozen=True)
class Ending:
    """What a job has at its end: the rows of results.csv and curves.csv, files of tickets, figures, what they show.

    figures: path -> caption. notes: in words, for the run's page.
    """

    tickets: Sequence[Path]
    results: Sequence[Row] = ()
    curves: Sequence[Row] = ()
    figures: Mapping[Path, str] = field(default_factory=dict)
    notes: str = ""


class Wandb:
    """One W&B run for one replicate, begun with the first training or new row: a command that adds none writes none.

    W&B takes seconds to begin: it does so beside that training. Whatever is logged before it is there is kept and
    logged then. W&B's failure, or its silence, is one warning, and the job goes on without it.
    A W&B agent waits for a run whatever was found in the store: for it, the run begins at once.

    directory: the outputs folder. mode: auto, online, offline or disabled; the environment wins. info: what the run is
    called, or what gives it once the run begins. metrics: what it charts of each level.
    """

    def __init__(
        self, directory: Path, mode: str, info: RunInfo | Callable[[], RunInfo], metrics: LevelMetrics | None = None
    ) -> None:
        self.directory, self._info, self.metrics = directory, info, metrics or LevelMetrics()
        self.mode = mode_without_key(mode, directory)
        self.run: Any = None
        self._opening: Future[Any] | None = None  # the run that begins beside a training
        self.rows: list[Row] = []  # of every level so far
        self._logged = 0  # so many of the rows
        self._step = -1  # of the last row
        self._resumed_at = 0  # the step that a resumed run goes on at
        self._defined: set[str] = set()  # prefixes of metrics whose axis is the level
        self._undefined: set[str] = set()  # those whose axis is W&B's step
        self._failed = self.mode == "disabled"

    @cached_property
    def info(self) -> RunInfo:
        """What the run is called."""
        return self._info if isinstance(self._info, RunInfo) else self._info()

    def begin(self) -> None:
        """Lets the run begin beside what this thread does, if it has not begun; `start` takes it once it is there."""
        if self.run is None and self._opening is None and not self._failed:
            self._guard(self._open, wait=False)

    def start(self, new: bool = True) -> None:
        """Begins the run, if it has not begun, and logs what has been waiting; new: whether there is a new result."""
        if self.run is None and not self._failed and (new or by_agent()):
            self._guard(self._start)

    def log_level(self, rows: Sequence[Row], layers: Sequence[Row] = ()) -> None:
        """Logs a level: means over its `rows` by series, of results and of other tables, and the ticket's `layers`.

        A run that goes on after a kill, online, has the levels before already: they are not logged twice.
        """
        if rows and not self._failed:
            self.rows.append(self.metrics.row(rows, layers))
            if self.run is not None:
                self._guard(self._log_rows)

    def finish(self, ending: Ending) -> None:
        """Adds what there is at the end of a job to the run, and ends it; nothing where it has not begun."""
        if self._opening is not None:
            self.start()
        if self.run is not None and not self._failed:
            self._guard(lambda: self._finish(ending))

    def stop(self) -> None:
        """Ends a run that was broken off, also one that is just beginning."""
        if (self.run is not None or self._opening is not None) and not self._failed:
            run, opening, self.run, self._opening = self.run, self._opening, None, None
            self._guard(lambda: (run or opening.result()).finish(exit_code=1))  # type: ignore[union-attr]  # one of them

    def _open(self) -> Any:
        return begin(self.directory, wandb_mode(self.mode, self.directory), self.info, resume="allow")

    def _start(self) -> None:
        self.run = self._open() if self._opening is None else self._opening.result()  # in one thread: it is done
        self._opening = None
        self.run.define_metric("level", hidden=True)  # the axis: as a panel of its own it would say nothing
        self.run.define_metric("layer/*", step_metric="level", hidden=True)  # hundreds in a deep network
        for name in ("density", "sparsity"):
            self.run.define_metric(name, step_metric="level")
        self._defined |= {"level", "layer", "density", "sparsity"}
        self._undefined |= {headline.name for headline in self.metrics.headlines}
        if self.run.resumed:
            self._resumed_at = self.run.step
        self._log_rows()

    def _log_rows(self) -> None:
        """Logs the rows that wait; the step of a row is its level, or the next where steps have gone so far."""
        while self._logged < len(self.rows):
            row = self.rows[self._logged]
            self._logged += 1
            self._step = max(self._step + 1, row["level"])
            if self._step < self._resumed_at:
                continue
            if self._step > row["level"]:  # the levels of another search: the axis of headlines must be named, too
                self._undefined.clear()
            for group in dict.fromkeys(name.split("/")[0] for name in row):
                if group not in self._defined | self._undefined:
                    self.run.define_metric(f"{group}/*", step_metric="level")
                    self._defined.add(group)
            self.run.log(row, step=self._step, commit=True)

    def _finish(self, ending: Ending) -> None:
        import wandb

        if ending.notes and not os.environ.get("WANDB_NOTES"):
            self.run.notes = ending.notes
        if ending.figures:
            self.run.log(pictures(ending.figures))
        if ending.results:
            show_table(self.run, "results", ending.results)
        by_series = self.metrics.by_series(ending.results)
        levels = [0, *levels_shown(ending.results)]
        for chart in (
            *level_charts(self.rows, self.metrics.headlines),
            *training_charts(by_series, ending.curves, levels),
        ):
            show_chart(self.run, chart)
        if ending.tickets:
            artifact = wandb.Artifact(f"ticket-{self.info.id}", type="ticket")
            for ticket in ending.tickets:
                artifact.add_file(str(ticket))
            self.run.log_artifact(artifact)
        self.run.finish()
        self.run = None

    def _guard(self, action: Callable[[], Any], wait: bool = True) -> None:
        try:
            if not self.info:  # made here, before the deadline begins: it takes the data
                return
            if wait:
                guarded(action)
            else:
                self._opening = posted(action)
        except Exception as error:  # whatever it is, no experiment ends by it
            self._failed, self.run, self._opening = True, None, None
            gave_up(error, "the job goes on without it, its own files hold everything")


def tracker(
    settings: "TrainingSettings",
    config: Mapping[str, Any],
    setting: Callable[[], str],
    metrics: LevelMetrics | None = None,
) -> Wandb:
    """The W&B run of the replicate that `settings` describe, not yet begun; `config` is what it shows of them.

    setting: gives the setting of the replicate's results, by which W&B groups seeds; called when the run begins. With
    code or data of the user's it is also in the run's id: once they are edited, the replicate is another one.
    """
    loop = getattr(settings, "loop", None)
    custom = settings.model._target_ or settings.data._target_ or settings.data.root or (loop and loop._target_)
    about = settings.about("")

    def info() -> RunInfo:
        replicate, group = settings.replicate(), setting()
        way = getattr(settings, "iterate", "weights").removeprefix("weights")
        return RunInfo(
            id=hashlib.sha256(f"{replicate} {group}".encode()).hexdigest()[:12] if custom else replicate,
            name="-".join(filter(None, [about["data"], about["model"], way, f"seed{settings.seed}"])),
            group=f"{settings.experiment}-{group}",
            job_type=settings.experiment,
            project=settings.wandb.project,
            entity=settings.wandb.entity,
            tags=tuple(settings.wandb.tags),
            config=config,
        )

    return Wandb(Path(settings.outputs), settings.wandb.mode, info, metrics)
