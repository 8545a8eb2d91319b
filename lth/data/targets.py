"""The checks of nested inputs, and of targets that are no classes: what is wrong, where, and the likely mend."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from lth.core.errors import DataError
from lth.core.trees import first_tensor, shapes_of, tensors_in
from lth.tasks.language import NO_TOKEN, shifted


def with_targets(name: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """`tensors`, with the tokens of the inputs one to the left as the targets of a split that has none."""
    given = dict(tensors)
    for part in ("train", "test"):
        if f"{part}_labels" in given:
            continue
        tokens = given[f"{part}_images"]
        if not isinstance(tokens, Tensor) or tokens.ndim != 2 or tokens.is_floating_point() or tokens.shape[1] < 2:
            shape = shapes_of(tokens)
            problem = (
                f"inputs {shape} an example are no tokens: without targets they should be integers (N, T), T above 1"
            )
            raise DataError(f"data {name}: {part}: {problem}")
        given[f"{part}_labels"] = shifted(tokens.long())
    return given


def check_shapes(name: str, tensors: Mapping[str, Any]) -> None:
    """Raises DataError where inputs and targets differ in the number of examples, or the splits in form or shape."""
    for part in ("train", "test"):
        count = len(first_tensor(tensors[f"{part}_labels"]))
        for key in (f"{part}_images", f"{part}_labels"):
            for path, tensor in tensors_in(tensors[key]):
                where = f"data {name}: {key}{path and f'.{path}'}"
                if not tensor.ndim or len(tensor) != count or not count:
                    problem = (
                        f"{tuple(tensor.shape)} should have the examples first, {count} of them as the labels, above 0"
                    )
                    raise DataError(f"{where} {problem}")
                if tensor.is_complex():
                    raise DataError(f"{where} are {tensor.dtype}: give real numbers, as torch.view_as_real makes them")
    for key in ("images", "labels"):
        train, test = (shapes_of(tensors[f"{part}_{key}"]) for part in ("train", "test"))
        if train != test:
            raise DataError(f"data {name}: training and test {key} differ in shape, {train} and {test}")


def checked_targets(where: str, targets: Any, kind: str) -> Any:
    """`targets` where they are of that `kind`, none of them classes; else DataError beginning with `where`."""
    if kind == "any":
        return targets
    if not isinstance(targets, Tensor):
        raise DataError(f"{where} should be one tensor for this task, not several: task=custom takes any")
    return KINDS[kind](where, targets)


def _labels(where: str, targets: Tensor) -> Tensor:
    if targets.ndim != 2:
        problem = f"{tuple(targets.shape)} should be (N, labels), 1 where an example has a label and else 0"
        raise DataError(f"{where} {problem}; for one class an example take task=classification")
    wrong = (targets != 0) & (targets != 1)
    if bool(wrong.any()):
        index = int(wrong.any(1).nonzero()[0])
        value = targets[index][wrong[index]][0].item()
        raise DataError(f"{where} should be 0 or 1, there is {value:g} at index {index}: give a column for each label")
    return targets


def _values(where: str, targets: Tensor) -> Tensor:
    if targets.is_floating_point() and not bool(targets.isfinite().all()):
        index = int((~targets.flatten(1).isfinite()).any(1).nonzero()[0]) if targets.ndim > 1 else None
        index = int((~targets.isfinite()).nonzero()[0]) if index is None else index
        raise DataError(f"{where}: a target is NaN or infinite at index {index}: leave the example out")
    return targets


def _tokens(where: str, targets: Tensor) -> Tensor:
    if targets.ndim < 2 or targets.is_floating_point() or targets.dtype == torch.bool:
        problem = f"{targets.dtype} {tuple(targets.shape)} should be tokens, integers (N, T)"
        raise DataError(f"{where} {problem}; for one class an example take task=classification")
    wrong = (targets < 0) & (targets != NO_TOKEN)
    if bool(wrong.any()):
        value = int(targets[wrong][0])
        raise DataError(f"{where}: there is the token {value}: give integers from 0, or {NO_TOKEN} where none counts")
    if bool((targets == NO_TOKEN).all()):
        raise DataError(f"{where}: every token is {NO_TOKEN}, and there is nothing to learn")
    return targets


KINDS: Mapping[str, Callable[[str, Tensor], Tensor]] = {"labels": _labels, "values": _values, "tokens": _tokens}
"""What targets are -> their check."""
