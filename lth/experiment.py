"""What an experiment is: a declaration of its settings, run, tables, figures and answer. Imports no torch.

    EXPERIMENT = Experiment(name="imp", settings=ImpSettings, run=run, tables=(SEARCH,), figures=FIGURES, answer=answer)

An experiment is a package whose docstring is its help text. Its `EXPERIMENT` stands in `__init__.py`, or in
`experiment.py` with the settings class as `SETTINGS` in `settings.py`: then `lth NAME --help` imports neither torch nor
matplotlib. Its primary configuration is `<name>.yaml`, in lth's conf folder or beside `__init__.py`; its papers' claims
are `claims/*.toml`.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from lth.core.errors import LotteryError, SettingError
from lth.core.tables import Row, Table
from lth.discovery import sources

if TYPE_CHECKING:
    from lth.lottery.arms import Outcome
    from lth.report.claims.estimators import Estimator
    from lth.report.comparison import Comparison
    from lth.report.figures.drawing import Figure
    from lth.report.gather import Gathered
    from lth.report.intervals import Summarize
    from lth.report.results import Results
    from lth.report.sheet import Sheet
    from lth.session import Session, Trained
    from lth.tasks.metrics import Measures

log = logging.getLogger(__name__)

Item: TypeAlias = "Outcome | Trained | tuple[str, Row]"
"""What a run yields: a trained arm, or the name of a table and a row of it."""


def nothing(*_: Any) -> list[Any]:
    """The default of what an experiment need not have."""
    return []


def late(package: str | None, name: str = "run") -> "Callable[[Session], Iterator[Item]]":
    """The run `package.run:name`, imported when it is called: reports are made of results, without torch.

    run=late(__package__)
    """

    def run(session: "Session") -> "Iterator[Item]":
        items: Iterator[Item] = getattr(import_module(f"{package}.run"), name)(session)
        return items

    return run


@dataclass(frozen=True)
class Experiment:
    """The declaration of an experiment.

    settings: the dataclass of its settings. run: the science; it yields trained arms, which become rows of results.csv,
    layers.csv and curves.csv, and rows of the experiment's own `tables`. answer: what the results show, in sentences,
    on top of the page, at the end of the command and in W&B. sheets: tables for people, the first of which ends the
    command. figures: of one job, the main one first. seed_figures: what `lth report` draws of one setting over seeds.
    compare: what `lth report` shows across settings, as methods side by side. estimators: what its claims compute that
    lth.report.claims.estimators does not. series: what a row of results is called in W&B. arms: the names that `series`
    gives, for W&B's panels; none: those of whatever runs are there. W&B charts the columns of those tables that have a
    row for each arm at each level. metric: what its tables, figures and sentences are of, so that it takes tasks that
    are compared by it alone; empty: it follows the task's own.
    """

    name: str
    settings: type
    run: "Callable[[Session], Iterator[Item]]"
    answer: "Callable[[Results], Sequence[str]]"
    tables: Sequence[Table] = ()
    sheets: "Callable[[Results], Sequence[Sheet]]" = nothing
    figures: "Sequence[Figure]" = ()
    seed_figures: "Sequence[Figure]" = ()
    compare: "Callable[[Gathered, Summarize], Sequence[Comparison]]" = nothing
    estimators: "Sequence[Estimator]" = ()
    series: Callable[[Row], str] = lambda row: str(row["arm"])
    arms: Callable[[], Sequence[str]] = nothing
    metric: str = ""

    def check_task(self, measures: "Measures") -> None:
        """Raises SettingError for a task that the experiment does not know, before anything is trained."""
        if self.metric not in ("", measures.primary.name):
            problem = (
                f"is compared by {measures.primary.words}, and lth {self.name} compares by {self.metric} alone:"
                " give data with a class an example, or take lth imp, which follows the metric of any task"
            )
            raise SettingError("task", measures.task, problem)

    @property
    def by_name(self) -> dict[str, Table]:
        """Name -> the experiment's own table of that name."""
        return {table.name: table for table in self.tables}


def declared(names: Iterable[str]) -> dict[str, Experiment]:
    """Name -> experiment, for those of `names` that are found; results may come from one that is not installed."""
    known = sources()
    experiments = {}
    for name in sorted(set(names) & set(known)):
        try:
            experiments[name] = known[name].load()
        except LotteryError as error:
            log.warning("%s", error)
    return experiments
