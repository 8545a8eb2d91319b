"""A user's own task: a loss of outputs and targets, and a function that gives metrics of all of them."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from lth.core.errors import LotteryError, SettingError
from lth.core.trees import first_tensor, joined, tree_map
from lth.core.users import users_code
from lth.tasks.metrics import Measures, Metric
from lth.tasks.task import Part, Score, Targets


@dataclass(frozen=True)
class CustomTask:
    """`loss_function(outputs, targets)` gives the mean loss of a batch; `metrics_function` metrics by name, as numbers.

    Both are called with the outputs and targets of a whole split for a score, so that any metric is right, whatever the
    batches. better: name of a metric -> `higher` or `lower`, and its unit, if any; the first is compared.
    """

    loss_function: Callable[..., Tensor]
    metrics_function: Callable[..., Mapping[str, Any]]
    better: Mapping[str, str]
    decide: str = "val_loss"
    name: str = "custom"
    args: Mapping[str, Any] = field(default_factory=dict)
    targets: ClassVar[Targets] = "any"
    is_plain: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for key, function in (("loss", self.loss_function), ("metrics", self.metrics_function)):
            if not callable(function):
                raise SettingError(f"task.{key}", function, "must be a function of outputs and targets")
        if not self.better or not hasattr(self.better, "items"):
            problem = "must say of each metric which way is better, as {mae: lower}; the first is compared"
            raise SettingError("task.better", self.better, problem)
        self.measures  # noqa: B018  # raises for what is no metric

    @cached_property
    def measures(self) -> Measures:
        """The metrics that `better` names."""
        metrics = tuple(Metric.parse(f"{name} {text}") for name, text in self.better.items())
        return Measures("custom", metrics, self.decide)

    @property
    def functions(self) -> Sequence[Callable[..., Any]]:
        """Both functions."""
        return (self.loss_function, self.metrics_function)

    def loss(self, outputs: Any, targets: Any) -> Tensor:
        """The user's loss of a batch."""
        return self.loss_function(outputs, targets, **self.args)

    def total(self, outputs: Any, targets: Any) -> Tensor:
        """The loss times the number of examples."""
        return self.loss(outputs, targets) * len(first_tensor(targets))

    def weight(self, targets: Any) -> int:
        """The number of examples."""
        return len(first_tensor(targets))

    def part(self, outputs: Any, targets: Any) -> Part:
        """Outputs and targets, in main memory."""
        return {"outputs": _on_cpu(outputs), "targets": _on_cpu(targets)}

    def score(self, parts: Sequence[Part], count: int) -> Score:
        """The loss and metrics of the whole split.

        Raises LotteryError for a loss that is no number, and for a metric that is missing, no number or NaN.
        """
        outputs, targets = (joined([part[key] for part in parts]) for key in ("outputs", "targets"))
        with torch.no_grad(), users_code("the task's loss"):
            loss = _number("its loss", self.loss(outputs, targets))
        with torch.no_grad(), users_code("the task's metrics"):
            given: Any = self.metrics_function(outputs, targets)
        if not isinstance(given, Mapping):
            kind = type(given).__name__
            raise LotteryError(f"the task's metrics gave {kind}: it should give numbers by name, as {{'mae': 0.5}}")
        if not math.isfinite(loss):
            return Score(loss, count, {})
        return Score(loss, count, {name: self._metric(name, given) for name in self.measures_by_name})

    @cached_property
    def measures_by_name(self) -> dict[str, Metric]:
        """Name -> metric."""
        return {metric.name: metric for metric in self.measures.metrics}

    def _metric(self, name: str, given: Mapping[str, Any]) -> float:
        if name not in given:
            there = ", ".join(map(str, given)) or "nothing"
            raise LotteryError(f"the task's metrics gave no {name}, which task.better names; it gave {there}")
        value = _number(f"the metric {name}", given[name])
        if not math.isfinite(value):
            raise LotteryError(f"the metric {name} of the task is {value}: it should be a finite number")
        if self.measures_by_name[name].is_share and not 0 <= value <= 1:
            raise LotteryError(f"the metric {name} of the task is {value:g}, outside of its unit 0..1")
        return value

    def fingerprint(self) -> dict[str, Any]:
        """Its directions, arguments and what decides; the code of its functions comes besides."""
        functions = [_described(function) for function in self.functions]
        about = {"better": dict(self.better), "decide": self.decide, "args": dict(self.args)}
        return {"name": "custom", "functions": functions, **about}


def _described(function: Any) -> list[Any]:
    """What tells a function from others besides its code: its name, and the plain attributes of an object."""
    kind = function if hasattr(function, "__qualname__") else type(function)
    plain = {key: value for key, value in vars(function).items() if isinstance(value, (str, int, float, type(None)))}
    bound = [repr(getattr(function, key)) for key in ("args", "keywords") if hasattr(function, "func")]
    return [f"{kind.__module__}.{kind.__qualname__}", dict(sorted(plain.items())), *bound]


def _on_cpu(tree: Any) -> Any:
    return tree_map(lambda x: x.detach().cpu(), tree)


def _number(what: str, value: Any) -> float:
    """`value` as a float; LotteryError where it is no number."""
    if isinstance(value, Tensor) and value.numel() != 1:
        raise LotteryError(f"{what} is a tensor of shape {tuple(value.shape)}: it should be one number")
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise LotteryError(f"{what} is {type(value).__name__}: it should be one number") from error
