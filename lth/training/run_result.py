"""What a training gives: its curve, observations, and the weights that are kept."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from lth.core.errors import LotteryError
from lth.core.weights import Mask, State
from lth.tasks.metrics import CLASSIFICATION, Measures
from lth.training.records import check_result

CENSORED = 0.05
"""An early stop within this last fraction of a training is censored: the minimum may lie beyond the end."""

IMPOSSIBLE = (ValueError, TypeError, KeyError, AttributeError, OverflowError, IndexError)
"""What reading records raises that no training gives."""


@dataclass(frozen=True, init=False)
class Point:
    """One evaluation; None where nothing was measured.

    lr: of the next step, at the end of the last. train_loss: the mean over the batches since the previous evaluation.
    metrics: the values of the validation and test split by name, such as `test_accuracy`; each is an attribute, too.

    >>> Point(100, 0.1, val_loss=0.4, test_accuracy=0.9).test_accuracy
    0.9
    """

    iteration: int
    lr: float
    train_loss: float | None
    val_loss: float | None
    metrics: Mapping[str, float | None]

    def __init__(
        self,
        iteration: int,
        lr: float,
        train_loss: float | None = None,
        val_loss: float | None = None,
        metrics: Mapping[str, float | None] | None = None,
        **more: float | None,
    ) -> None:
        values = {"iteration": iteration, "lr": lr, "train_loss": train_loss, "val_loss": val_loss}
        for name, value in (values | {"metrics": dict(metrics or {}) | more}).items():
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> float | None:
        if name.startswith(("val_", "test_")):
            return self.metrics.get(name)
        raise AttributeError(name)

    def records(self) -> dict[str, Any]:
        """Every value by its name."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name != "metrics"}
        return values | dict(self.metrics)


Observations = list[tuple[int, dict[str, float]]]
"""(iteration, an observer's values by name), in order."""


@dataclass(frozen=True)
class Series:
    """The observations that fill a column of the tables with their values called `name`."""

    name: str
    observations: Observations

    @property
    def values(self) -> list[tuple[int, float]]:
        """(iteration, value of the network), in order."""
        return [(iteration, observation[self.name]) for iteration, observation in self.observations]

    def of_parameter(self, parameter: str) -> list[float | None]:
        """The values called `parameter` beside `total`, in order; None where there is none."""
        return [observation.get(parameter) for _, observation in self.observations]


@dataclass
class RunResult:
    """A training from iteration `start` to `stop`.

    states: `final` and, where there is a validation split, `early_stop`; a diverged training has no `final`. Weights
    kept on request are `at_<iteration>`. Where the mask changed, `<state>_mask` is the mask in force at that time.
    `correct` holds which test examples `final` and `early_stop` classify correctly, as packed bits (`lth.core.bits`).
    columns: key of an observer -> name in its observations -> the column of the tables that they fill. train: name of a
    metric -> its value on the training split, of the final weights. seconds: of the training, evaluation included;
    evaluation_seconds: of that alone. run: the name under which a store keeps it, else empty. kernels: the weights
    whose products were sparse, see `lth.training.kernels`. machine: where it was trained, see
    `lth.core.machine.describe`. measures: what is measured, and what decides the early stop.

    >>> result = RunResult(0, 200, points=[Point(0, 0.1, val_loss=2.3), Point(100, 0.1, val_loss=0.4)])
    >>> result.early_stop.iteration, result.censored
    (100, False)
    """

    start: int
    stop: int
    status: Literal["done", "diverged"] = "done"
    message: str = ""
    points: list[Point] = field(default_factory=list)
    observed: dict[str, Observations] = field(default_factory=dict)
    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    train: dict[str, float | None] = field(default_factory=dict)
    seconds: float = 0.0
    evaluation_seconds: float = 0.0
    kernels: dict[str, str] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)
    run: str = ""
    machine: Mapping[str, Any] = field(default_factory=dict)
    measures: Measures = CLASSIFICATION

    @property
    def final(self) -> State:
        """The weights after the last iteration; KeyError where the training diverged."""
        return self.states["final"]

    def at(self, iteration: int) -> State:
        """The weights after `iteration`: the last one, or one kept on request; LotteryError for any other."""
        if not self.keeps(iteration):
            names = [kind.removeprefix("at_") for kind in self.states if kind.startswith("at_") and "_mask" not in kind]
            there = ", ".join([*names, *([str(self.stop)] if "final" in self.states else [])])
            raise LotteryError(f"the weights after iteration {iteration} were not kept; there is {there or 'nothing'}")
        return self.states[self._kind(iteration)]

    def keeps(self, iteration: int) -> bool:
        """Whether the weights after `iteration` are kept."""
        return self._kind(iteration) in self.states

    def mask(self, initial: Mask, of: str | int = "final") -> Mask:
        """The mask of the `final` weights, of those at `early_stop`, or of an iteration.

        `initial` is the mask of the spec, which a training without an update never changes.
        """
        return self.states.get(f"{of if isinstance(of, str) else self._kind(of)}_mask", initial)

    def _kind(self, iteration: int) -> str:
        return "final" if iteration == self.stop else f"at_{iteration}"

    @property
    def early_stop(self) -> Point | None:
        """The evaluation that is best on the validation split, the first of equals; None without such a split.

        Best is the lowest validation loss, or what else decides by `measures`.
        """
        name, sign = self.measures.decide, self.measures.decider.sign
        values = [(value, point) for point in self.points if (value := getattr(point, name)) is not None]
        return max(values, key=lambda measured: sign * measured[0])[1] if values else None

    @property
    def censored(self) -> bool:
        """Whether the early stop lies so close to the end that a better one may lie beyond it."""
        best = self.early_stop
        return best is not None and best.iteration >= self.stop - CENSORED * (self.stop - self.start)

    @property
    def series(self) -> dict[str, Series]:
        """Column -> the observations that fill it."""
        return {
            column: Series(name, self.observed[key])
            for key, columns in self.columns.items()
            for name, column in columns.items()
            if self.observed.get(key)
        }

    def records(self) -> dict[str, Any]:
        """All but the weights, the run's name and the machine, as values that JSON can hold."""
        values = asdict(replace(self, states={}, points=[], measures=CLASSIFICATION))
        left_out = ("states", "run", "machine", "measures", "train")
        records = {key: value for key, value in values.items() if key not in left_out}
        records["points"] = [point.records() for point in self.points]
        records |= {metric.on("train"): self.train.get(metric.name) for metric in self.measures.metrics}
        return records if self.measures == CLASSIFICATION else records | {"measures": self.measures.records()}


def on_request(kind: str) -> bool:
    """Whether a key of a result's states is of weights that are kept on request alone, or of their mask."""
    return kind.startswith("at_")


def result_from(records: dict[str, Any], states: dict[str, State]) -> RunResult:
    """The result with these `records()` and states.

    Raises TypeError, KeyError, AttributeError, OverflowError or ValueError for what no training gives.
    """
    values = dict(records)
    measures = Measures.read(values.pop("measures")) if "measures" in values else CLASSIFICATION
    train = {metric.name: values.pop(metric.on("train"), None) for metric in measures.metrics}
    values["points"] = [Point(**point) for point in values["points"]]
    values["observed"] = {
        key: [(iteration, dict(values_there)) for iteration, values_there in observations]
        for key, observations in values["observed"].items()
    }
    if "columns" not in values:  # kept when the gradient norm was the only observer
        totals = [key for key, observations in values["observed"].items() if any("total" in x for _, x in observations)]
        values["columns"] = {key: {"total": "grad_norm"} for key in totals}
    result = RunResult(**values, states=states, train=train, measures=measures)
    check_result(result)
    return result
