"""What a training leaves behind: its curve, what was observed, and the weights that are kept."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from lth.core.errors import LotteryError
from lth.core.weights import Mask, State

CENSORED = 0.05
"""An early stop within this last share of a training is censored: the minimum may lie beyond the end."""


@dataclass(frozen=True)
class Point:
    """One evaluation. `train_loss` is the mean over the batches since the last; None is not measured."""

    iteration: int
    lr: float
    train_loss: float | None = None
    val_loss: float | None = None
    val_accuracy: float | None = None
    test_accuracy: float | None = None


Observations = list[tuple[int, dict[str, float]]]
"""(iteration, what an observer saw there), in order."""


@dataclass
class RunResult:
    """A training from iteration `start` to `stop`.

    states: `final` and, where there is a validation split, `early_stop`; a diverged training keeps no `final`. Weights
    that were asked for are `at_<iteration>`. Where the mask changed, `<state>_mask` is the one in force there.
    run: the name that the store keeps it under, where it does.
    """

    start: int
    stop: int
    status: Literal["done", "diverged"] = "done"
    message: str = ""
    points: list[Point] = field(default_factory=list)
    observed: dict[str, Observations] = field(default_factory=dict)
    train_accuracy: float | None = None
    seconds: float = 0.0
    evaluation_seconds: float = 0.0
    states: dict[str, State] = field(default_factory=dict)
    run: str = ""

    @property
    def final(self) -> State:
        """The weights after the last iteration; KeyError where the training diverged."""
        return self.states["final"]

    def at(self, iteration: int) -> State:
        """The weights after `iteration`, the last or one that was asked for; LotteryError where they were not kept."""
        if not self.keeps(iteration):
            names = [kind.removeprefix("at_") for kind in self.states if kind.startswith("at_") and "_mask" not in kind]
            there = ", ".join([*names, *([str(self.stop)] if "final" in self.states else [])])
            raise LotteryError(f"the weights after iteration {iteration} were not kept; there is {there or 'nothing'}")
        return self.states[self._kind(iteration)]

    def keeps(self, iteration: int) -> bool:
        """Whether `at` has an answer."""
        return self._kind(iteration) in self.states

    def mask(self, given: Mask, of: str | int = "final") -> Mask:
        """The mask of the final weights, of those at early stop, or of an iteration: `given`, unless it changed.

        `given` is the mask of the spec, which a training without an update ends with.
        """
        return self.states.get(f"{of if isinstance(of, str) else self._kind(of)}_mask", given)

    def _kind(self, iteration: int) -> str:
        return "final" if iteration == self.stop else f"at_{iteration}"

    @property
    def early_stop(self) -> Point | None:
        """The evaluation with the lowest validation loss, the first of equals; None without a validation split."""
        measured = [point for point in self.points if point.val_loss is not None]
        return min(measured, key=lambda point: point.val_loss or 0.0) if measured else None

    @property
    def censored(self) -> bool:
        """Whether the early stop lies so close to the end that the minimum may lie beyond it."""
        best = self.early_stop
        return best is not None and best.iteration >= self.stop - CENSORED * (self.stop - self.start)

    def records(self) -> dict[str, Any]:
        """All but the weights and the run's name, as JSON can hold it."""
        values = asdict(replace(self, states={}))
        return {key: value for key, value in values.items() if key not in ("states", "run")}


def result_from(records: dict[str, Any], states: dict[str, State]) -> RunResult:
    """The result whose `records()` and states these are; TypeError or KeyError for other contents."""
    values = dict(records)
    values["points"] = [Point(**point) for point in values["points"]]
    values["observed"] = {
        name: [(int(iteration), dict(seen)) for iteration, seen in seen_at]
        for name, seen_at in values["observed"].items()
    }
    return RunResult(**values, states=states)
