"""The run of `lth grokking`: the dense network, its ticket with controls, other masks, and the delays."""

from collections.abc import Iterator

from lth.core.tables import Row
from lth.core.weights import norm
from lth.experiment import Item
from lth.lottery.arms import Outcome
from lth.pruning.mask import density
from lth.session import Session
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

from .masks import other_masks
from .tables import delay
from .train_accuracy import TrainAccuracy


def run(session: Session) -> Iterator[Item]:
    """Yields the dense network, the ticket and its arms, then the other masks; then the rows of delays.csv."""
    plan, settings = session.imp_plan(), session.settings
    pruned_levels = len(set(plan.control_levels))
    first = "memorized" in settings.methods  # the training up to there
    session.expect(plan.trainings + len(settings.methods) * pruned_levels + first)
    every = session.iterations(settings.recipe.evaluate_every, "recipe.evaluate_every")
    observers = (TrainAccuracy(every), session.gradient_norm)

    def fit(spec: RunSpec) -> RunResult:
        return session.fit(spec, *observers)

    outcomes: list[Outcome] = []
    for outcome in session.search(plan, fit):
        outcomes.append(outcome)
        yield outcome
    session.keep(next(outcome for outcome in reversed(outcomes) if outcome.arm == "ticket").level)
    for outcome in other_masks(session, plan, outcomes[0].level, fit):
        outcomes.append(outcome)
        yield outcome
    yield from (("delays", row) for row in delay_rows(outcomes, session.rows("curves"), settings.threshold))


def delay_rows(outcomes: list[Outcome], curves: list[Row], threshold: float) -> list[Row]:
    """The rows of delays.csv of trained networks, whose training curves are rows of `curves`."""
    by_run: dict[str, list[Row]] = {}
    for row in curves:
        by_run.setdefault(row["run"], []).append(row)
    rows = []
    for outcome in outcomes:
        trained: Row = {"level": outcome.level.index, "density": density(outcome.spec.mask)}
        trained |= {"arm": outcome.arm, "draw": outcome.draw, "run": outcome.result.run}
        trained |= {f"l{p}": norm(outcome.spec.initial_state, outcome.spec.mask, p) for p in (1, 2)}
        rows.append(trained | delay(by_run.get(outcome.result.run, []), threshold))
    return rows
