"""What the records and weights of a training cannot be, however good their checksum: ValueError says what is wrong."""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lth.core.weights import is_finite
from lth.tasks.metrics import Measures

if TYPE_CHECKING:
    from lth.training.run_result import RunResult

SCHEDULE = "schedule"
"""The key of a result's states that holds the schedules of a user's loop at the rewind point."""
LARGEST = 2**53
"""The largest number of iterations that is one: integers up to here are numbers of JSON everywhere."""
CORRECT = "correct"
"""The key of a result's states that holds which test examples each kept state classifies correctly, as packed bits."""


def check_result(result: "RunResult") -> None:
    """Raises ValueError where a result that was read says what no training gives."""
    _require(result.status in ("done", "diverged"), "status", result.status)
    _require(isinstance(result.message, str), "message", result.message)
    _require(_count(result.start) and _count(result.stop) and result.start <= result.stop, "stop", result.stop)
    for key in ("seconds", "evaluation_seconds"):
        _require(_number(getattr(result, key)), key, getattr(result, key))
    _check_metrics({f"train_{name}": value for name, value in result.train.items()}, result.measures)
    iterations = [point.iteration for point in result.points]
    _check_iterations(iterations, result.start, result.stop)
    for point in result.points:
        _require(_number(point.lr), "lr", point.lr)
        for loss in (point.train_loss, point.val_loss):
            _require(_value(loss), "a loss", loss)
        _check_metrics(point.metrics, result.measures)
    for key, observations in result.observed.items():
        _require(isinstance(key, str), "an observer", key)
        _check_iterations([iteration for iteration, _ in observations], result.start, result.stop)
        for _, values in observations:
            _require(all(isinstance(x, int | float) for x in values.values()), "an observation", values)
    words = [*result.kernels, *result.kernels.values()]
    _require(all(isinstance(word, str) for word in words), "kernels", result.kernels)
    for key, columns in result.columns.items():
        words = [key, *columns, *columns.values()]
        _require(all(isinstance(word, str) for word in words), "columns", columns)


def check_states(states: Mapping[str, Mapping[str, Tensor]], model: nn.Module, mask: Mapping[str, Tensor]) -> None:
    """Raises ValueError where states by kind are not of the parameters of `model`, or masks of them not of `mask`."""
    parameters = dict(model.named_parameters())
    for kind, state in states.items():
        if kind in (CORRECT, SCHEDULE):
            _require(
                kind == SCHEDULE or all(x.dtype == torch.uint8 and x.ndim == 1 for x in state.values()),
                "examples of",
                kind,
            )
        elif kind.endswith("_mask"):
            _check_mask(kind, state, mask)
        else:
            for name, parameter in parameters.items():
                _require(name in state and alike(state[name], parameter), f"{name} of {kind}", _shape(state.get(name)))


def check_finite(kind: str, state: Mapping[str, Tensor], model: nn.Module) -> None:
    """Raises ValueError where a parameter in `state` is NaN or infinite."""
    for name, _ in model.named_parameters():
        _require(is_finite(state[name]), f"{name} of {kind}", "NaN or infinite")


def alike(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors have one shape and one type."""
    return first.shape == second.shape and first.dtype == second.dtype


def _check_mask(kind: str, state: Mapping[str, Tensor], mask: Mapping[str, Tensor]) -> None:
    _require(state.keys() == mask.keys(), kind, sorted(state.keys() ^ mask.keys())[:1])
    for name, kept in state.items():
        _require(kept.dtype == torch.bool and kept.shape == mask[name].shape, f"{name} of {kind}", _shape(kept))


def _check_metrics(values: Mapping[str, Any], measures: Measures) -> None:
    """Raises ValueError where a value by its name is none of the `measures`, or lies out of the range of its unit."""
    for name, value in values.items():
        _require(name in measures.by_value, "a metric", name)
        _require((_share if measures.by_value[name].is_share else _value)(value), name, value)


def _check_iterations(iterations: Iterable[Any], start: int, stop: int) -> None:
    before = -1
    for iteration in iterations:
        _require(_count(iteration) and start <= iteration <= stop and iteration > before, "iteration", iteration)
        before = iteration


def _require(possible: bool, name: str, value: object) -> None:
    if not possible:
        raise ValueError(f"{name}: {str(value)[:40]} cannot be")


def _shape(tensor: Tensor | None) -> str:
    return "nothing" if tensor is None else f"{tensor.dtype} {tuple(tensor.shape)}"


def _count(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST


def _number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value >= 0  # type: ignore[arg-type,operator]


def _value(value: object) -> bool:
    return value is None or (type(value) in (int, float) and math.isfinite(value))  # type: ignore[arg-type]


def _share(value: object) -> bool:
    return value is None or (_number(value) and value <= 1)  # type: ignore[operator]
