"""Pruning before training against pruning after it, with the ablations that tell why (Frankle et al. 2021).

    lth at_init                                  MNIST-1D, one seed: a minute or two
    lth at_init -m seed=0,1,2                    three seeds; lth report says what they show
    lth at_init 'methods=[imp,snip]' draws=3     some methods, three draws of each ablation
    lth at_init paper=frankle2021/lenet_300_100  the paper's comparison on MNIST, three seeds

Finds a mask by each of `methods`: at initialisation by snip, grasp, synflow, magnitude or at random, and after training
by magnitude_after (at once) and imp (level by level, with rewinding). All have as many weights at a level, within one
scope. Each mask is trained as it is (`ticket`), with its places shuffled within each layer (`shuffle`), and on new
weights (`reinit`). Where neither hurts, a method tells no more than how many weights each layer is to keep.

The job's folder holds table.csv (a row a method, density and arm, with what it took to find the mask), results.csv,
layers.csv, curves.csv, figures, report.html and METHOD.safetensors, the last ticket of each; in results.csv `setting`
and `schedule` tell methods apart. The dense network is trained once for all methods, every training is kept in
<outputs>/store, and the same command again trains nothing. `lth claims frankle2021` puts the paper's claims beside it.
"""

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
from lth.spec import AtInitSpec
from lth.training.recipe import iterations_of
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec


def run(spec: AtInitSpec, folder: Path) -> None:
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
