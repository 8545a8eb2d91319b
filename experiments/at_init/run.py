"""Runs one replicate of `lth at_init`: every method, its levels and their arms."""

from dataclasses import asdict
from pathlib import Path

from lth.analysis.gradient import GradientNorm
from lth.api import build_model, load_data, network_of, procedure_of, search, store_of, ticket_of
from lth.compression.search_cost import pace_of
from lth.core.machine import prepare
from lth.core.rng import seeds_from
from lth.flow.scoring import scoring_of
from lth.jobs import sweep_number
from lth.lottery.levels import Level
from lth.lottery.pruned import name_output
from lth.pruning.methods import METHODS
from lth.report.at_init import AtInitReport
from lth.report.job import JobFacts
from lth.report.wandb.tracking import tracker
from lth.training.recipe import iterations_of
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

from .settings import AtInitSettings


def run(spec: AtInitSettings, folder: Path) -> None:
    """Runs one replicate and leaves its results in `folder`."""
    job_of_sweep = sweep_number()
    device = prepare(spec.device, spec.threads, job_of_sweep or 0)
    seeds = seeds_from(spec.seed, **vars(spec.seeds))
    data = load_data(spec)
    model, fresh = build_model(spec, data, seeds)
    name_output(model, spec.pruning)
    data = data.to(device)
    asked = {method: procedure_of(spec.of(method), len(data.train)) for method in spec.methods}
    start, store = fresh(seeds.init), store_of(spec)
    probe = GradientNorm(iterations_of(spec.probe_every, len(data.train) // spec.recipe.batch_size, "probe_every"))

    def fit(job: RunSpec) -> RunResult:
        return store.train(job, [probe], report.bars.training(job.plan.start, job.plan.stop))

    found = {method: search(model, start, data, seeds, asked[method], fit, fresh) for method in spec.methods}
    trainings = sum(procedure.trainings for procedure in asked.values())
    about = {method: spec.of(method).about(METHODS[method].word()) for method in spec.methods}
    pace = pace_of(model, data.train, spec.recipe.batch_size)
    scoring = {method: scoring_of(asked[method].pruning, model, data.train) for method in spec.methods}
    wandb = tracker(spec, asdict(spec))
    first = next(iter(about.values()))
    with AtInitReport(JobFacts(folder, first, asdict(spec), trainings, wandb, store, job_of_sweep), about) as report:
        for method, outcomes in found.items():
            last: Level | None = None
            for outcome in outcomes:
                report.add(method, outcome)
                last = outcome.level
            assert last is not None, "level 0 is always trained"
            provenance = {"setting": about[method]["setting"], "seed": spec.seed, "level": last.index}
            report.close_method(method, ticket_of(last, {**provenance, **network_of(spec)}))
        report.finish(pace, scoring, len(data.test))
