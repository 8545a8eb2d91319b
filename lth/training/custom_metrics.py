"""The metrics of a user's loop: numbers by the name of their split, as `val_loss`, and which way is better."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from lth.core.errors import LotteryError, SettingError
from lth.tasks.metrics import ACCURACY, CLASSIFICATION, LOSS, NAME, SPLITS, Better, Measures, Metric
from lth.training.run_result import Point, RunResult

LOWER = ("loss", "perplexity", "error", "err", "mse", "rmse", "mae", "nll", "bpc", "bpb", "wer", "cer", "fid")
HIGHER = ("accuracy", "acc", "f1", "auc", "auroc", "r2", "bleu", "rouge", "precision", "recall", "map", "iou", "score")
"""Words in the names of metrics that say which way is better."""


@dataclass(frozen=True)
class Judgement:
    """Which value of the validation split decides the early stop, and which metrics are better which way.

    decide: such as `val_loss`, or None: `val_loss`, where the loop logs it. better: name of a metric, or of a value of
    it, -> `higher` or `lower`. Neither changes a training.
    """

    decide: str | None = None
    better: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.decide is not None:
            check_name(self.decide, "decide")
            if not self.decide.startswith("val_"):
                problem = "a value of the validation split decides, such as val_loss: the test set chooses nothing"
                raise SettingError("decide", self.decide, problem)
        for name, direction in self.better:
            if direction not in get_args(Better):
                raise SettingError(f"better of {name}", direction, "must be higher or lower")

    def check(self, name: Any, value: float) -> None:
        """Raises LotteryError where `value` by its `name` is none of a metric that has a direction and a range."""
        metric = self.metric(bare(check_name(name)))
        if metric.is_share and math.isfinite(value) and not 0 <= value <= 1:
            raise LotteryError(f"{name} is {value:g}: an accuracy is a share, 0 to 1")

    def metric(self, name: str) -> Metric:
        """The metric called `name`, which has no split; SettingError where nothing says which way is better."""
        directions = {bare(key): direction for key, direction in self.better}
        if name == ACCURACY.name and directions.get(name, "higher") == "higher":
            return ACCURACY
        words = name.lower().split("_")
        known = [better for better, some in (("lower", LOWER), ("higher", HIGHER)) if set(words) & set(some)]
        better = directions.get(name) or (known[0] if len(known) == 1 else None)
        if better is None:
            problem = "does it get better as it gets higher or lower? say it: better={...: 'higher'}"
            raise SettingError("better", name, problem)
        return LOSS if name == LOSS.name and better == "lower" else Metric(name, better)  # type: ignore[arg-type]


def check_name(name: Any, what: str = "a metric") -> str:
    """`name`; LotteryError where it is not that of a value on a split."""
    split, _, metric = str(name).partition("_")
    if not isinstance(name, str) or split not in SPLITS or not NAME.fullmatch(metric):
        problem = f"begin it with its split, {', '.join(f'{x}_' for x in SPLITS)}, as in val_loss"
        raise LotteryError(f"{what} is called {name!r}: {problem}")
    return name


def with_values(point: Point, values: Mapping[str, float]) -> Point:
    """`point` with further `values` by name."""
    return Point(**(point.records() | dict(values)))


def measures_of(judgement: Judgement, result: RunResult, complete: bool) -> Measures:
    """What the values of `result` are, and what decides.

    Networks are compared by the first metric on the test set that the loop returns; else by the first that it has.
    complete: whether it is of a finished training to the last step; then SettingError is raised where `decide` or
    `better` names what the loop never measures.
    """
    final = result.points[-1:] if result.points and result.points[-1].iteration == result.stop else []
    names = _values([*final, *result.points])
    ordered = [*(name for name in names if name.startswith("test_")), *names]
    metrics = list(dict.fromkeys(bare(name) for name in ordered))
    further = [name for name in metrics if name != LOSS.name] or metrics
    if not further:
        return CLASSIFICATION
    if complete:
        _check_there(judgement, names)
    known = tuple(judgement.metric(name) for name in further)
    default = f"val_{LOSS.name}"
    decide = judgement.decide if judgement.decide in names else default
    if known == (ACCURACY,) and decide == CLASSIFICATION.decide:
        return CLASSIFICATION
    return Measures("custom", known, decide)


def _check_there(judgement: Judgement, names: Iterable[str]) -> None:
    """Raises SettingError where `names` lack a value that the judgement names."""
    there = f"fit measures {', '.join(names)}"
    if judgement.decide is not None and judgement.decide not in names:
        raise SettingError("decide", judgement.decide, f"is never measured: {there}; run.log(step, ...) adds to it")
    for name, _ in judgement.better:
        if name not in names and name not in {bare(value) for value in names}:
            raise SettingError("better", name, f"is never measured: {there}")


def _values(points: Iterable[Point]) -> list[str]:
    """The names of the values of `points`, each once."""
    names: dict[str, None] = {}
    for point in points:
        records = point.records()
        names |= {
            name: None for name, value in records.items() if name not in ("iteration", "lr") and value is not None
        }
    return list(names)


def bare(name: str) -> str:
    """The metric of a value's name, without its split."""
    return re.sub(f"^({'|'.join(SPLITS)})_", "", name)
