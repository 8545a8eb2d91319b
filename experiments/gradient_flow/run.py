"""Runs one replicate of `lth gradient_flow`: the pruned solution, every other training, the analyses."""

from dataclasses import asdict
from pathlib import Path

from lth.analysis.gradient import GradientNorm
from lth.api import build_model, load_data, network_of, rewiring_of, store_of
from lth.core.machine import prepare
from lth.core.rng import seeds_from
from lth.data.tensors import Data
from lth.flow.looks import Looks
from lth.flow.runs import Procedure, compare
from lth.flow.spectra import spectra
from lth.jobs import sweep_number
from lth.lottery.arms import ARMS
from lth.lottery.context import context_of
from lth.lottery.levels import Fit
from lth.lottery.ticket import Ticket
from lth.pruning.updates import GradualPruning
from lth.report.flow import FlowReport
from lth.report.job import JobFacts
from lth.report.wandb.tracking import tracker
from lth.training.recipe import iterations_of, plan
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

from .settings import GradientFlowSettings


def run(spec: GradientFlowSettings, folder: Path) -> None:
    """Runs one replicate and leaves its results in `folder`."""
    job_of_sweep = sweep_number()
    device = prepare(spec.device, spec.threads, job_of_sweep or 0)
    seeds = seeds_from(spec.seed, **vars(spec.seeds))
    data = load_data(spec)
    model, fresh = build_model(spec, data, seeds)
    data = data.to(device)
    start = fresh(seeds.init)
    job = RunSpec(model, start, {}, data, plan(spec.recipe, len(data.train)), seeds)
    per_epoch = len(data.train) // spec.recipe.batch_size
    context = context_of(model, start, fresh, rewiring_of(spec.rewiring, per_epoch))
    change = None if spec.change_at is None else iterations_of(spec.change_at, per_epoch, "change_at")
    asked = Procedure(job, gradual_of(spec, data), context, spec.inits, spec.methods, spec.repeats, change)
    store = store_of(spec)
    every = iterations_of(spec.probe_every, per_epoch, "probe_every")
    usual, closer = GradientNorm(every), GradientNorm(every, before_updates=True)

    def fit(arm: str, number: int) -> Fit:
        def train(job: RunSpec) -> RunResult:
            probe = closer if arm in ARMS and "rewiring" in ARMS.get(arm, "methods").needs and number == 0 else usual
            trace = store.train(job, [probe], report.bars.training(job.plan.start, job.plan.stop))
            report.bars.done(f"{arm} {number}")
            return trace

        return train

    about = spec.about("gradual")
    wandb = tracker(spec, asdict(spec) | {"arms": asked.arms})
    with FlowReport(JobFacts(folder, about, asdict(spec), asked.trainings, wandb, store, job_of_sweep)) as report:
        compared = compare(asked, store, fit)
        if spec.worker:
            report.helped()
            return
        report.results(compared)
        looks = Looks(compared, data, store, spec.line_examples)
        watch = report.bars.looking
        seen = {name: getattr(looks, name)() for name in ("table", "agreement", "distances", "map", "updates")}
        seen["lines"] = looks.lines(watch)
        seen["signal"] = looks.signal(fresh, spec.repeats)
        seen["spectrum"] = spectra(compared, store, spec.spectrum_examples, watch)
        provenance = {"setting": spec.setting(), "seed": spec.seed, "run": compared.solution.run, **network_of(spec)}
        report.finish(seen, Ticket(compared.mask, compared.start, 0, provenance))


def gradual_of(spec: GradientFlowSettings, data: Data) -> GradualPruning:
    """How the pruned solution is pruned, in iterations."""
    per_epoch, asked = len(data.train) // spec.recipe.batch_size, spec.gradual
    begin, end, every = (
        iterations_of(value, per_epoch, f"gradual.{key}")
        for key, value in (("begin", asked.begin), ("end", asked.end), ("every", asked.every))
    )
    return GradualPruning(asked.density, begin, end, every)
