"""Runs one replicate of `lth deploy`: tickets of every kind, each in every form."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from lth.analysis.gradient import GradientNorm
from lth.api import Procedure, build_model, load_data, network_of, search, store_of, ticket_of
from lth.compression.scoring_cost import score_cost
from lth.core.machine import prepare
from lth.core.rng import seeds_from
from lth.flow.worth import Found, Row, Worth, fitted, found_at, rounded_rows
from lth.jobs import sweep_number
from lth.lottery.arms import Outcome
from lth.lottery.pruned import name_output
from lth.pruning.schedule import Pruning
from lth.report.deploy import DeployReport
from lth.report.job import JobFacts
from lth.report.wandb.tracking import tracker
from lth.training.recipe import iterations_of
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

from .settings import DeploySettings


def run(spec: DeploySettings, folder: Path) -> None:
    """Runs one replicate and leaves its results in `folder`."""
    job_of_sweep = sweep_number()
    device = prepare(spec.device, spec.threads, job_of_sweep or 0)
    seeds = seeds_from(spec.seed, **vars(spec.seeds))
    data = load_data(spec)
    model, fresh = build_model(spec, data, seeds)
    name_output(model, spec.pruning)
    worth, trained_on = Worth(model, data, store_of(spec), folder / "forms"), data.to(device)
    kinds = {kind: (fitted(pruning, model), levels) for kind, (pruning, levels) in spec.kinds.items()}
    asked = {kind: Procedure(spec.recipe, pruning, n, spec.rewind) for kind, (pruning, n) in kinds.items()}
    probe = GradientNorm(iterations_of(spec.probe_every, len(data.train) // spec.recipe.batch_size, "probe_every"))

    def fit(job: RunSpec) -> RunResult:
        return worth.store.train(job, [probe], report.bars.training(job.plan.start, job.plan.stop))

    searches = {
        kind: search(model, fresh(seeds.init), trained_on, seeds, how, fit, fresh) for kind, how in asked.items()
    }
    trainings = sum(how.trainings for how in asked.values())
    wandb = tracker(spec, {**asdict(spec), "arms": list(asked)})
    about = {"seed": spec.seed}  # the rest differs from kind to kind
    with DeployReport(JobFacts(folder, about, asdict(spec), trainings, wandb, worth.store, job_of_sweep)) as report:
        last: Outcome | None = None
        tickets: list[Found] = []
        for kind, outcomes in searches.items():
            own = replace(spec, pruning=kinds[kind][0])
            for outcome in report.added(kind, own.about(named(kind, own.pruning)), outcomes):
                last = outcome if kind == next(iter(kinds)) else last
                tickets += found_of(kind, outcome, tickets)
        report.results()
        if not tickets or tickets[0].level or last is None:
            report.nothing()
            return
        examples = {split: len(getattr(data, split)) for split in ("train", "validation", "test")}
        report.looks(seen(worth, spec, report, tickets), examples)
        provenance = {"setting": spec.setting(), "seed": spec.seed, "level": last.level.index, **network_of(spec)}
        report.finish(ticket_of(last.level, provenance))


def named(kind: str, pruning: Pruning) -> str:
    """The column `schedule` of a kind's rows: it tells kinds apart, as `setting` does for programs."""
    return pruning.schedule_label if kind == "weights" else f"{pruning.schedule_label}_{kind}"


def found_of(kind: str, outcome: Outcome, before: list[Found]) -> Iterator[Found]:
    """The ticket of `outcome`, if it did not diverge; the dense network once, not once a kind."""
    ticket = found_at(kind, outcome.level)
    if ticket is not None and (ticket.level or not before):
        yield ticket


def seen(worth: Worth, spec: DeploySettings, report: DeployReport, tickets: list[Found]) -> dict[str, list[Row]]:
    """The rows of every table of looks, by its name."""
    dense, size = tickets[0], spec.recipe.batch_size
    costs: list[Row] = []
    grid: list[Row] = []
    found: list[Row] = []
    scoring = score_cost(spec.pruning, worth.model, worth.data.train)  # the score of every kind
    progress = report.bars.looking("forms", len(tickets))
    for number, ticket in enumerate(tickets, 1):
        rows = worth.costs(ticket, dense, spec.rounds, spec.onnx, size)
        costs += rows if ticket.level else [row for row in rows if row["form"] != "masked"]
        rounded = worth.grid(ticket, spec.bits)  # the first row is that of 32 bits
        results, accuracy = report.rows_of(ticket.kind), rounded[0]["test_accuracy"]
        found.append(worth.searched(ticket, results, size, accuracy, scoring))
        grid += rounded
        progress(number)
    costs += rounded_rows(grid, costs)
    return {"cost": costs, "grid": grid, "tickets": found, "sensitivity": worth.sensitivity(dense)}
