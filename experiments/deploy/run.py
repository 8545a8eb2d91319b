"""The run of `lth deploy`: tickets of every kind, each in every form."""

from collections.abc import Iterator
from dataclasses import replace

from lth.compression.scoring_cost import score_cost
from lth.core.tables import Row
from lth.experiment import Item
from lth.lottery.plan import ImpPlan
from lth.pruning.schedule import Pruning
from lth.session import Session, Trained

from .ticket_benchmark import TicketBenchmark, TrainedTicket, fitted, rounded_rows, trained_ticket


def run(session: Session) -> Iterator[Item]:
    """Yields the trained tickets of each kind, then the rows of the tables of forms, bits and sensitivity."""
    settings = session.settings
    benchmark = TicketBenchmark(session.model, session.data, session.store, session.folder / "forms")
    kinds = {kind: (fitted(pruning, session.model), levels) for kind, (pruning, levels) in settings.kinds.items()}
    plans = {
        kind: ImpPlan(settings.recipe, pruning, levels, settings.rewind) for kind, (pruning, levels) in kinds.items()
    }
    session.expect(sum(plan.trainings for plan in plans.values()))
    searches = {kind: session.search(plan) for kind, plan in plans.items()}  # checks all before it trains any
    tickets: list[TrainedTicket] = []
    for kind, outcomes in searches.items():
        pruning = kinds[kind][0]
        about = session.about(schedule_of(kind, pruning), replace(settings, pruning=pruning))
        for outcome in outcomes:
            yield Trained(outcome, about)
            ticket = trained_ticket(kind, outcome.level)
            if ticket is not None and (ticket.level or not tickets):  # the dense network once, not once a kind
                tickets.append(ticket)
            if kind == next(iter(kinds)):
                session.keep(outcome.level)
    if tickets and not tickets[0].level:
        yield from measured(session, benchmark, tickets)


def schedule_of(kind: str, pruning: Pruning) -> str:
    """The column `schedule` of a kind's rows: it tells kinds apart, as `setting` does for programs."""
    return pruning.schedule_label if kind == "weights" else f"{pruning.schedule_label}_{kind}"


def measured(session: Session, benchmark: TicketBenchmark, tickets: list[TrainedTicket]) -> Iterator[Item]:
    """The rows of every table about the trained `tickets`, the dense network first."""
    settings, dense = session.settings, tickets[0]
    scoring = score_cost(settings.pruning, benchmark.model, session.data.train)  # every kind has the same score
    costs: list[Row] = []
    grid: list[Row] = []
    progress = session.progress.measuring("forms", len(tickets))
    for number, ticket in enumerate(tickets, 1):
        rows = benchmark.costs(ticket, dense, settings.rounds, settings.onnx, settings.recipe.batch_size)
        rows = rows if ticket.level else [row for row in rows if row["form"] != "masked"]
        costs += rows
        yield from (("cost", row) for row in rows)
        rounded = benchmark.grid(ticket, settings.bits)  # the first row is that of 32 bits
        grid += rounded
        yield from (("grid", row) for row in rounded)
        results = rows_of(session, ticket.kind)
        accuracy = rounded[0]["test_accuracy"]
        yield "tickets", benchmark.searched(ticket, results, settings.recipe.batch_size, accuracy, scoring)
        progress(number)
    yield from (("cost", row) for row in rounded_rows(grid, costs))
    yield from (("sensitivity", row) for row in benchmark.sensitivity(dense))


def rows_of(session: Session, kind: str) -> list[Row]:
    """The rows of results.csv of one kind; of the dense network those of the first kind."""
    rows = session.rows("results")
    schedules = list(dict.fromkeys(row["schedule"] for row in rows))
    schedule, *_ = [name for name in schedules if name.endswith(f"_{kind}")] or schedules
    return [row for row in rows if row["schedule"] == schedule]
