"""Runs one replicate of `lth imp`: the levels, their arms, and the probes."""

import logging
import shlex
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from lth.analysis.gradient import GradientNorm
from lth.analysis.probes import LevelProbes
from lth.api import build_model, load_data, network_of, procedure_of, search, store_of, ticket_of
from lth.compression.search_cost import pace_of
from lth.core.machine import prepare
from lth.core.rng import seeds_from
from lth.flow.scoring import scoring_of
from lth.jobs import sweep_number
from lth.lottery.arms import Outcome
from lth.lottery.pruned import name_output
from lth.report.job import JobFacts
from lth.report.replicate import Replicate
from lth.report.wandb.tracking import tracker
from lth.training.gradient import EXAMPLES
from lth.training.recipe import iterations_of
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

from .settings import ImpSettings

log = logging.getLogger(__name__)


def run(spec: ImpSettings, folder: Path) -> None:
    """Runs one replicate and leaves its results in `folder`."""
    job_of_sweep = sweep_number()
    device = prepare(spec.device, spec.threads, job_of_sweep or 0)
    seeds = seeds_from(spec.seed, **vars(spec.seeds))
    data = load_data(spec)
    model, fresh = build_model(spec, data, seeds)
    data = data.to(device)
    asked, store = procedure_of(spec, len(data.train)), store_of(spec)
    probes = LevelProbes(spec.probes, data, store.probed, spec.line_examples)
    probe = GradientNorm(iterations_of(spec.probe_every, len(data.train) // spec.recipe.batch_size, "probe_every"))

    if probe.every and EXAMPLES / spec.recipe.batch_size / probe.every > 0.05:  # it costs as many batches as it holds
        log.warning("probe_every=%s: the gradient norm will take more than 5%% of the time", spec.probe_every)

    def fit(job: RunSpec) -> RunResult:
        return store.train(job, [probe], replicate.progress(job))

    name_output(model, spec.pruning)
    outcomes = search(model, fresh(seeds.init), data, seeds, asked, fit, fresh)
    about, wandb = spec.about(spec.pruning.schedule_label), tracker(spec, asdict(spec))
    job = JobFacts(folder, about, asdict(spec), asked.trainings, wandb, store, job_of_sweep, probes.tables)
    with Replicate(job, five_seeds(spec)) as replicate:
        for _, found in groupby(outcomes, key=lambda outcome: outcome.level.index):
            level: list[Outcome] = []
            for outcome in found:
                replicate.add(outcome)
                level.append(outcome)
            replicate.close_level(probes.measure(level, replicate.looking))
        last = level[0].level
        provenance = {"setting": spec.setting(), "seed": spec.seed, "level": last.index, **network_of(spec)}
        pace = pace_of(model, data.train, spec.recipe.batch_size)
        replicate.finish(ticket_of(last, provenance), len(data.test), pace, scoring_of(spec.pruning, model, data.train))


def five_seeds(spec: ImpSettings) -> str:
    """The command that asks the same of five seeds."""
    overrides = [word for word in HydraConfig.get().overrides.task if not word.startswith("seed=")]
    return shlex.join(["lth", spec.experiment, "-m", *overrides, "seed=0,1,2,3,4"])
