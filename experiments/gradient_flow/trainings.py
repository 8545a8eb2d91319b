"""Trains a plan, shared by several processes, and holds what came of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lth.core.errors import LotteryError
from lth.core.weights import Mask, State
from lth.lottery import arms as controls
from lth.lottery.arms import Outcome
from lth.lottery.levels import Level
from lth.report.failures import failed
from lth.report.rows import chance
from lth.store.runs import Store
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

from .plan import SOLUTIONS, GradientFlowPlan, Training

Fit = Callable[[Training], RunResult]
"""Trains a training of the plan, or finds its result in the store."""


@dataclass(frozen=True)
class TrainedPlan:
    """All trainings of a plan.

    level: the lottery ticket, with the mask, the weights of step 0 and the pruned solution. outcomes: by arm, in order
    of their numbers. change: rigl up to a change of its mask, `before` and `after` it; empty where none is measured.
    """

    level: Level
    outcomes: Mapping[str, Sequence[Outcome]]
    change: Mapping[str, tuple[RunSpec, RunResult]]

    @property
    def mask(self) -> Mask:
        """The mask of the pruned solution."""
        return self.level.spec.mask

    @property
    def start(self) -> State:
        """The weights of step 0, pruned positions included."""
        return self.level.spec.initial_state

    @property
    def solution(self) -> RunResult:
        """The training that the mask comes from."""
        return self.level.result

    def done(self, arm: str) -> list[Outcome]:
        """The runs of `arm` that did not fail, which are compared; where all failed, those that did not diverge."""
        done = [outcome for outcome in self.outcomes.get(arm, ()) if outcome.result.status == "done"]
        return [outcome for outcome in done if not _failed(outcome)] or done

    def failed(self, arm: str) -> int:
        """How many runs of `arm` failed."""
        return sum(_failed(outcome) for outcome in self.outcomes.get(arm, ()))


def _failed(outcome: Outcome) -> bool:
    result, test = outcome.result, outcome.spec.data.test
    accuracy = result.points[-1].test_accuracy if result.points else None
    about = {"chance": chance(test), "test_examples": len(test)}
    return failed({"status": result.status, "final_test_accuracy": accuracy, **about})


def train_plan(plan: GradientFlowPlan, store: Store, fit: Fit) -> TrainedPlan:
    """Trains everything in `plan`, or finds it in `store`.

    Processes that train the same plan share the work: each takes a training that no other is busy with. Raises
    LotteryError where the pruned solution diverged, since there is no mask then.
    """
    plan.check()
    first = [plan.solution()]
    if "pruned_other_seeds" in plan.arms:
        first += plan.other_solutions()
    results = share(first, store, fit)
    solution = results["pruned", 0]
    if solution.status != "done":
        raise LotteryError(f"the training that is pruned as it goes diverged, so there is no mask: {solution.message}")
    level = plan.level(solution)
    on_mask = [arm for arm in plan.arms if arm not in SOLUTIONS]
    then = [plan.training(arm, number, level) for number in range(plan.repeats) for arm in on_mask]
    around = plan.around_change(level)
    results |= share([*then, *around], store, fit)
    outcomes: dict[str, list[Outcome]] = {}
    for one in sorted([*first, *then], key=lambda one: (plan.arms.index(one.arm), one.number)):
        result = results[one.arm, one.number]
        outcomes.setdefault(one.arm, []).append(Outcome(level, one.arm, one.number, one.spec, result))
        controls.warn_if_diverged(level, f"{one.arm} {one.number}", result)
    return TrainedPlan(level, outcomes, {one.arm: (one.spec, results[one.arm, one.number]) for one in around})


def share(trainings: Sequence[Training], store: Store, fit: Fit) -> dict[tuple[str, int], RunResult]:
    """The results of `trainings`, by arm and number; those that no other process is busy with come first."""
    left, results = list(trainings), {}
    while left:
        free = next((one for one in left if not store.busy(one.spec)), left[0])
        left.remove(free)
        results[free.arm, free.number] = fit(free)
    return results
