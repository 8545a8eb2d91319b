"""A session: everything that the run of an experiment works with, made from its settings, and the run itself."""

import logging
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from torch import nn

from lth.analysis.gradient import GradientNorm
from lth.analysis.probes import LevelProbes
from lth.core.keeping import Taken, restore, take
from lth.core.machine import prepare
from lth.core.seeds import Seeds
from lth.core.side_state import SideState
from lth.core.tables import Table
from lth.core.weights import State
from lth.data.tensors import Data
from lth.discovery import source_of
from lth.experiment import Experiment
from lth.from_settings import (
    architecture_digest,
    build_model,
    code_digest,
    custom_loop,
    imp_plan,
    load_data,
    network_provenance,
    store_of,
)
from lth.lottery.arms import Outcome
from lth.lottery.context import FreshInit
from lth.lottery.levels import Fit, Level
from lth.lottery.plan import ImpPlan
from lth.lottery.ticket import Ticket
from lth.report.headline import schedule_words
from lth.report.progress import Progress
from lth.report.recorder import Facts, Recorder
from lth.report.rows import identity
from lth.report.wandb.levels import LevelMetrics
from lth.report.wandb.tracking import tracker
from lth.searching import search
from lth.store.loop_code import loop_digest
from lth.store.runs import Store
from lth.training.custom_loop import CustomLoop
from lth.training.recipe import Duration, iterations_of
from lth.training.run_result import RunResult
from lth.training.run_spec import Observer, RunSpec

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """A trained arm whose row in results.csv names another setting or schedule than the session's."""

    outcome: Outcome
    about: Mapping[str, Any] = field(default_factory=dict)


class Session:
    """What a run works with. Data, model and store are made when they are first used.

    settings: of the experiment; folder: the job's, where it may leave files of its own; job: its number in a sweep.
    """

    def __init__(self, settings: Any, folder: Path, job: int | None = None) -> None:
        self.settings, self.folder, self.job = settings, folder, job
        self.device: torch.device = prepare(settings.device, settings.threads, job or 0)
        self.tickets: dict[str, Ticket] = {}
        self.recorder: Recorder | None = None
        self._shared: Mapping[str, Taken] = {}

    @cached_property
    def seeds(self) -> Seeds:
        """A seed for everything that is random."""
        seeds: Seeds = self.settings.seeds.resolved(self.settings.seed)
        return seeds

    @cached_property
    def loop(self) -> CustomLoop | None:
        """The user's own training loop; None where lth's trains."""
        return custom_loop(self.settings)

    @cached_property
    def data(self) -> Data:
        """The data set, in main memory."""
        return load_data(self.settings)

    @cached_property
    def device_data(self) -> Data:
        """The data set on the device that trains."""
        return self.data.to(self.device)

    @cached_property
    def _network(self) -> tuple[nn.Module, FreshInit, SideState, str]:
        model, fresh = build_model(self.settings, self.data, self.seeds)
        drawn_anew = fresh if self.settings.model._target_ else None
        digest = architecture_digest(model, self.data, drawn_anew, repeatable=self.loop is not None)
        self._shared = take(model, shared=True)
        return model, fresh, SideState(model), digest

    @property
    def model(self) -> nn.Module:
        """The network; its weights are those of whatever was done with it last."""
        return self._network[0]

    @property
    def fresh(self) -> Callable[[int], State]:
        """The initialiser: a new initial state by seed."""
        return self._network[1]

    @property
    def side(self) -> SideState:
        """What the network keeps beside its state dict, as it was built: where every training starts."""
        return self._network[2]

    @property
    def architecture(self) -> str:
        """A hash of the network, with the user's code in it as it was built, whatever the seed."""
        return self._network[3]

    def setting(self, settings: Any = None) -> str:
        """The setting of rows of results: a hash of `settings` (None: its own), of data, network, code and threads."""
        settings = settings or self.settings
        of_loop = loop_digest(self.loop) if self.loop else ""
        code = [self.architecture, *filter(None, [code_digest(settings), of_loop])]
        setting: str = settings.setting(self.data.content, " ".join(code))
        return setting

    def about(self, schedule: str, settings: Any = None) -> dict[str, Any]:
        """The columns of the results that name what was run by `settings` (None: the session's).

        schedule: how the masks come about.
        """
        about = {**(settings or self.settings).about(schedule), "setting": self.setting(settings)}
        return about | identity(self.data, self.architecture)

    @cached_property
    def store(self) -> Store:
        """The store that all experiments share."""
        return store_of(self.settings)

    def iterations(self, duration: Duration, key: str) -> int:
        """The iterations of a duration; SettingError naming `key` for a malformed one."""
        return iterations_of(duration, len(self.data.train) // self.settings.recipe.batch_size, key)

    @cached_property
    def gradient_norm(self) -> GradientNorm:
        """The observer that measures the gradient norm every `probe_every` iterations."""
        return GradientNorm(self.iterations(self.settings.probe_every, "probe_every"))

    def fit(self, spec: RunSpec, *observers: Observer) -> RunResult:
        """Trains `spec`, or finds the result in the store; observed by the gradient norm where no observer is given."""
        assert self.recorder is not None, "a run begins with its recorder"
        observed = observers or ([self.gradient_norm] if spec.loop is None else [])
        return self.store.train(spec, observed, self.recorder.training(spec))

    def imp_plan(self, settings: Any = None) -> ImpPlan:
        """The plan of iterative magnitude pruning that `settings` (None: the session's) describe."""
        return imp_plan(settings or self.settings, len(self.data.train))

    def search(self, plan: ImpPlan, fit: Fit | None = None) -> Iterator[Outcome]:
        """Trains the levels and arms of `plan` by `fit` (None: the session's), and gives each outcome as it comes."""
        state = self.fresh(self.seeds.init)
        how = (self.seeds, plan, fit or self.fit, self.fresh, self.side, self.loop)
        return search(self.model, state, self.device_data, *how)

    def levels(self, plan: ImpPlan) -> Iterator[list[Outcome]]:
        """The outcomes of `search`, a list for each level once all its arms are trained."""
        for _, outcomes in groupby(self.search(plan), key=lambda outcome: outcome.level.index):
            yield list(outcomes)

    def probes(self, names: Sequence[str], line_examples: int | None = None) -> LevelProbes:
        """The probes `names`, whose tables the job then has; SettingError for one that there is not."""
        probes = LevelProbes(names, self.device_data, self.store.probed, line_examples)
        self.declare(probes.tables)
        return probes

    @property
    def examples(self) -> dict[str, int]:
        """How many examples each split has; nothing for an experiment without data."""
        if not hasattr(self.settings, "recipe") or not len(self.data.train):
            return {}
        return {name: len(getattr(self.data, name)) for name in ("train", "validation", "test")}

    @property
    def progress(self) -> Progress:
        """The progress bars of the job."""
        assert self.recorder is not None, "a run begins with its recorder"
        return self.recorder.progress

    def declare(self, tables: Sequence[Table]) -> None:
        """Adds tables whose columns depend on the settings, as those of probes do."""
        assert self.recorder is not None
        self.recorder.declare(tables)

    def expect(self, trainings: int) -> None:
        """Tells the progress bar how many trainings are to come."""
        self.progress.expect(trainings)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """The rows of `table` so far."""
        assert self.recorder is not None
        return self.recorder.rows(table)

    def keep(self, level: Level, name: str = "ticket", **provenance: Any) -> None:
        """Keeps the ticket of `level` as the file `name`.safetensors of the job; a later one takes its place."""
        about = {"setting": self.setting(), "seed": self.settings.seed, "level": level.index} | provenance
        self.tickets[name] = level.ticket(**about, **network_provenance(self.settings))

    def close(self) -> None:
        """Puts back what trainings have changed in classes and modules of the user's: another job may follow here."""
        if self._shared:
            restore(self._shared, take(self.model, shared=True))


def five_seeds(experiment: str) -> str:
    """The command that runs the same for five seeds: without what a preset sweeps by itself."""
    hydra = HydraConfig.get()
    swept = {"seed", *(getattr(hydra.sweeper, "params", None) or ())}
    overrides = [word for word in hydra.overrides.task if word.partition("=")[0] not in swept]
    return shlex.join(["lth", source_of(experiment).command, "-m", *overrides, "seed=0,1,2,3,4"])


def execute(experiment: Experiment, settings: Any, folder: Path, job: int | None = None) -> None:
    """Runs one job of `experiment` and leaves its results in `folder`; job: its number, where it is one of a sweep."""
    session = Session(settings, folder, job)
    if experiment.metric:
        experiment.check_task(session.data.task.measures)
    metrics = LevelMetrics(series=experiment.series)
    wandb = tracker(settings, asdict(settings), session.setting, metrics) if hasattr(settings, "recipe") else None
    session.recorder = Recorder(experiment, session_facts(experiment, session), wandb)
    with closing(session), session.recorder as recorder:
        for item in experiment.run(session):
            if isinstance(item, Outcome):
                recorder.add(item, {})
            elif isinstance(item, Trained):
                recorder.add(item.outcome, item.about)
            else:
                recorder.add_row(*item)
        recorder.finish(session.tickets, session.examples)


def session_facts(experiment: Experiment, session: Session) -> Facts:
    """What the recorder is told of a session."""
    settings = session.settings
    schedule = settings.pruning.schedule_label if hasattr(settings, "pruning") else ""
    about, words = partial(session.about, schedule), schedule_words(vars(settings) | {"schedule": schedule})
    return Facts(session.folder, settings, session.store, about, five_seeds(experiment.name), session.job, words)
