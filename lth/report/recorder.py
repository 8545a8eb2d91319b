"""Records one job as it runs: rows into tables, progress, W&B; and at its end the figures, the page and the summary."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from lth.core.files import clear_leftovers
from lth.core.machine import describe, pick
from lth.core.names import file_name
from lth.core.places import is_plain
from lth.core.tables import Row, Table
from lth.lottery.arms import ARMS, Outcome
from lth.lottery.ticket import Ticket
from lth.report.correct import correct_rows
from lth.report.facts import job_facts
from lth.report.figures.drawing import Figure, draw
from lth.report.page import Page
from lth.report.progress import Progress
from lth.report.results import Results
from lth.report.rows import curve_rows, layer_rows, result_row
from lth.report.sheet import Sheet
from lth.report.statistics import percent
from lth.report.tables import TRAINING_TABLES, with_observed
from lth.report.terminal import Terminal, say
from lth.report.wandb.levels import RESULT_COLUMNS, measured_columns
from lth.report.wandb.tracking import Ending, Wandb
from lth.store.runs import Store
from lth.training.run_spec import RunSpec

log = logging.getLogger(__name__)

TRAINED = {table.name for table in TRAINING_TABLES}
"""The tables that every experiment which trains has."""
WRITE_SECONDS = 10.0
"""How old the written tables may be when a row of an experiment's own comes: what a killed job loses at most."""


class Presented(Protocol):
    """What the recorder takes of an experiment's declaration: its tables, and how they are shown."""

    @property
    def name(self) -> str:
        """The name of the experiment."""
        ...

    @property
    def tables(self) -> Sequence[Table]:
        """Its tables besides results, layers and curves."""
        ...

    @property
    def figures(self) -> Sequence[Figure]:
        """The figures of one job."""
        ...

    @property
    def answer(self) -> Callable[[Results], Sequence[str]]:
        """What the results show, in sentences."""
        ...

    @property
    def sheets(self) -> Callable[[Results], Sequence[Sheet]]:
        """The tables for people."""
        ...

    @property
    def series(self) -> Callable[[Row], str]:
        """What a row of results is called in W&B."""
        ...


@dataclass(frozen=True)
class Facts:
    """What the recorder is told of a job: where it writes, its settings, the store, and the command for five seeds.

    folder: None where it is to write later, or never. store: None where nothing is kept. about: gives the columns of
    its results that name the experiment, its setting, data, model, seed and schedule; it is called with the first
    result, since it takes the data. job: its number, where it is one of a sweep: several jobs share the terminal then,
    and each has a line. schedule: how the masks come about, for its title.
    """

    folder: Path | None
    settings: Any
    store: Store | None
    about: Callable[[], Mapping[str, Any]]
    command: str = ""
    job: int | None = None
    schedule: str = ""


class Recorder:
    """Takes what a run yields. Whatever ends the job, the tables are written as far as they go."""

    def __init__(self, experiment: Presented, facts: Facts, wandb: Wandb | None) -> None:
        self.experiment, self.facts, self.wandb = experiment, facts, wandb
        self.folder, self.settings, self.store = facts.folder, facts.settings, facts.store
        self.tables: dict[str, Table] = {table.name: table for table in (*TRAINING_TABLES, *experiment.tables)}
        self._rows: dict[str, list[Row]] = {}
        self.declare(self.tables.values())
        self._runs: set[str] = set()
        self._places: set[tuple[Any, ...]] = set()
        self._charted: dict[str, int] = {}  # table -> how many of its rows W&B has
        self._new_rows = False  # whether the store had not all rows of results
        self._stop: int | None = None  # where the last training of a user's loop ended
        self._level: list[Outcome] = []  # the outcomes of the present level
        self.title = ", ".join(filter(None, [f"seed {self.settings.seed}", facts.schedule]))
        self.progress = Progress(0, self.title, row=facts.job)
        self.began = self._written = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.progress.close()
        if kind is not None and any(self._rows.values()):
            self.write()
        if self.wandb:
            self.wandb.stop()

    def declare(self, tables: Iterable[Table]) -> None:
        """Takes tables before their first row; one of a name that is there already takes its place."""
        for table in list(tables):
            self.tables[table.name] = table
            self._rows.setdefault(table.name, [])
        if self.wandb:
            columns = (*RESULT_COLUMNS, *measured_columns(self._further()))
            self.wandb.metrics = replace(self.wandb.metrics, columns=columns)

    def training(self, spec: RunSpec) -> Callable[[int], None]:
        """What follows a training by the iterations that it has done; W&B begins beside the first, once it goes on.

        Not beside code of the user's: this may draw from the generators of Python, which the bits then depend on.
        """
        stop = self._stop if spec.plan.open else spec.plan.stop
        show = self.progress.training(spec.plan.start, stop)
        wandb = self.wandb
        if wandb is None or spec.loop is not None or not is_plain(spec.model):
            return show

        def follow(iteration: int) -> None:
            show(iteration)
            wandb.begin()

        return follow

    @cached_property
    def _about(self) -> Mapping[str, Any]:
        return self.facts.about()

    def rows(self, table: str) -> list[Row]:
        """The rows of `table` so far."""
        return self._rows[table]

    def add(self, outcome: Outcome, about: Mapping[str, Any]) -> Row:
        """Takes a trained arm: a row of the results, which is also kept beside the run in the store."""
        if self._level and self._level[0].level.index != outcome.level.index:
            self._close_level()
        self._level.append(outcome)
        self._stop = outcome.result.stop
        row = result_row(outcome, {**self._about, **about})
        self._rows["results"].append(row)
        if self.store:
            self._new_rows |= self.store.keep_row(row)
        self._add_details(outcome, row)
        if self.wandb:
            self.wandb.start(new=bool(self.trained) or self._new_rows)
        if twin := self._twin(outcome):
            log.warning("level %d: %s and %s are one training here", outcome.level.index, twin, outcome.arm)
        place = f"level {outcome.level.index}, {percent(outcome.level.density)}%, {self.experiment.series(row)}"
        self.progress.done(place, len(self._rows["results"]))
        return row

    def _twin(self, outcome: Outcome) -> str:
        """The arm of the level that is the same training; an experiment's own arms may be defined to share some."""
        arms = [other.arm for other in self._level[:-1] if other.result.run == outcome.result.run]
        return next((arm for arm in arms if arm != outcome.arm and {arm, outcome.arm} <= set(ARMS)), "")

    def _add_details(self, outcome: Outcome, row: Row) -> None:
        """The rows of each table beside results.csv; two arms may be one training, and dense that of many settings."""
        place = (outcome.result.run, outcome.level.index, outcome.arm, outcome.draw)
        if place not in self._places:
            self._places.add(place)
            self._rows["layers"] += layer_rows(outcome)
        if outcome.result.run not in self._runs:
            self._runs.add(outcome.result.run)
            self._rows["curves"] += curve_rows(outcome.result)
            self._rows["correct"] += correct_rows([row])

    def add_row(self, table: str, row: Mapping[str, Any]) -> None:
        """Takes a row of one of the experiment's own tables; KeyError for a table or a column that is not declared."""
        if table not in self.tables:
            raise KeyError(f"{self.experiment.name} declares no table {table}")
        self._rows[table].append(self.tables[table].row(row))
        if time.perf_counter() - self._written > WRITE_SECONDS:
            self.write()

    def write(self) -> None:
        """Writes every table as far as it goes; one that is not always there, where it has rows."""
        if self.folder is None:
            return
        for name, table in self.tables.items():
            if self._rows[name] or (table.always and (self._rows["results"] or name not in TRAINED)):
                with_observed(table, self._rows[name]).write(self.folder, self._rows[name])
        self._written = time.perf_counter()

    def _close_level(self) -> None:
        """Writes the tables, and logs the level that is over."""
        self.write()
        results = self._rows["results"][-len(self._level) :]  # an index alone would mix the levels of several searches
        rows = [*results, *self._measurements()]
        if self.wandb:
            ticket = self.experiment.series(results[0]) == "ticket"  # the network whose layers are charted
            measured = self.store.measured if self.store else set()
            self.wandb.start(new=bool(self.trained or measured) or self._new_rows)
            self.wandb.log_level(rows, layer_rows(self._level[0]) if ticket else ())
        self._level = []

    def _measurements(self) -> list[Row]:
        """The rows about the arms of a level in further tables, that are new since the level before."""
        rows: list[Row] = []
        for table in self._further():
            if measured_columns([table]):
                rows += self._rows[table.name][self._charted.get(table.name, 0) :]
                self._charted[table.name] = len(self._rows[table.name])
        return rows

    def _further(self) -> list[Table]:
        """The tables that not every experiment has."""
        return [table for name, table in self.tables.items() if name not in TRAINED]

    @property
    def trained(self) -> set[str]:
        """The runs that this process has trained rather than found."""
        return self.store.trained if self.store else set()

    def close(self) -> None:
        """Takes the end of the last level."""
        if self._level:
            self._close_level()
        self.progress.close()

    def results(self, examples: Mapping[str, int]) -> Results:
        """What the answer, the sheets and the figures are made from."""
        return Results(self._rows, self.settings, examples, self.facts.command)

    def finish(
        self, tickets: Mapping[str, Ticket], examples: Mapping[str, int] | None = None, printed: bool = True
    ) -> None:
        """Writes all that there is to see, and prints the summary; what killed jobs left in the folder goes."""
        assert self.folder is not None, "there is a folder to write to at the end"
        clear_leftovers(self.folder)
        self.close()
        if not any(self._rows.values()):
            log.info("%s: %s", self.title, self.work())
            return
        self.write()
        results = self.results(examples or {})
        drawn = draw(self.experiment.figures, results, self.folder / "figures")
        answer, sheets = list(self.experiment.answer(results)), list(self.experiment.sheets(results))
        paths = [ticket.save(self.folder / f"{file_name(name)}.safetensors") for name, ticket in tickets.items()]
        Page(
            self.page_title(),
            answer,
            drawn,
            sheets,
            facts=job_facts(self._rows["results"]),
            config=asdict(self.settings),
            work=self.work(),
            machine=machine_facts(str(self.settings.device)),
        ).write(self.folder / "report.html")
        if self.wandb:
            figures = {figure.path: figure.caption for figure in drawn}
            self.wandb.finish(Ending(paths, self._rows["results"], self._rows["curves"], figures, " ".join(answer)))
        if self.facts.job is not None or not printed:
            log.info("%s: %s %s", self.title, self.work(), self.folder)
            return
        console = Terminal()
        for sheet in [sheet for sheet in sheets if sheet.terminal][:1]:
            sheet.print(console)
        for line in answer:
            say(console, line, whole=bool(self.facts.command) and self.facts.command in line)
        say(console, f"{self.work()} Results, figures and report.html: {self.folder}", whole=True)

    def page_title(self) -> str:
        """What the page is called."""
        rows = self._rows["results"]
        if not rows:
            return self.experiment.name
        return f"{rows[0]['experiment']}: {rows[0]['model']} on {rows[0]['data']}, seed {rows[0]['seed']}"

    def work(self) -> str:
        """What this command did, in words."""
        seconds = time.perf_counter() - self.began
        trained = len(self.trained) if self.store else len(self._rows["results"])
        runs = {row["run"] for row in self._rows["results"] if self.store} - self.trained
        if not trained and not runs:
            return f"{seconds:.0f} s."
        return f"{trained} trained, {len(runs)} found in the store, {seconds:.0f} s."


def machine_facts(device: str) -> dict[str, str]:
    """The machine and the device that a job ran on."""
    return {name: str(value) for name, value in describe(pick(device)).items()}
