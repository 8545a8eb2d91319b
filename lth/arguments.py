"""What the functions of the Python API are given: lth's own training of tensors, and arguments that are checked."""

import operator
from typing import Any

import torch
from torch import Tensor, nn

from lth.core.errors import LotteryError, SettingError
from lth.core.rng import global_rng
from lth.core.trees import first_tensor, tree_map
from lth.data.arrays import kind_of
from lth.data.forms import Examples, raw_data
from lth.data.preparation import prepare
from lth.data.raw import RawData
from lth.data.tensors import Data
from lth.tasks.classification import PLAIN
from lth.tasks.kinds import task_named
from lth.tasks.task import Task
from lth.training.recipe import Recipe


class Training:
    """lth's own loop as the `fit` of a search: trains by `recipe` on data that lie on the device as tensors.

    train, test: (inputs, labels), tensors or arrays: inputs float (N, ...) or uint8, as the model takes them; labels
    int64 (N,). Or a map-style dataset of (input, label) pairs, or a DataLoader of one, which is read once and in order.
    validation: how many training examples are held out, to choose the early stop by; None: a tenth. The test set
    chooses nothing.
    task: what is learnt: `classification` (None), `multilabel`, `regression` or `language`, or an object such as
    `lth.Classification(label_smoothing=0.1)` or `lth.CustomTask(loss, metrics, better={"mae": "lower"})`. Inputs and,
    of a custom task, targets may be tuples or dicts of tensors: a network gets a tuple as its arguments, a dict as
    keywords. The next tokens are the targets of `language` where only inputs are given.
    """

    def __init__(
        self,
        recipe: Recipe,
        train: Examples,
        test: Examples,
        validation: int | None = None,
        task: str | Task | None = None,
    ) -> None:
        check_kinds(recipe=(recipe, Recipe))
        self.recipe, self.train, self.test, self.task = recipe, train, test, _task(task)
        self.validation = None if validation is None else integer("validation", validation)

    def data(self, network: nn.Module) -> Data:
        """The data, ready to train `network` on; DataError for what cannot be learnt from."""
        return _prepared(self.train, self.test, self.validation, self.task, network)


def check_kinds(**arguments: tuple[Any, Any]) -> None:
    """Raises LotteryError for an argument that is of no type that it can have; arguments: (value, type or types)."""
    for name, (value, kinds) in arguments.items():
        if not isinstance(value, kinds):
            names = " or ".join(kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))
            raise LotteryError(f"{name} is {kind_of(value)}: give a {names}")


def integer(key: str, value: Any) -> int:
    """`value` as an int, of NumPy or Python; SettingError naming `key` where it is no whole number."""
    try:
        return operator.index(value)
    except TypeError as error:
        raise SettingError(key, repr(value), "must be a whole number") from error


def _task(task: str | Task | None) -> Task:
    """The task that is meant; SettingError for an unknown name."""
    if isinstance(task, str):
        return task_named(task)
    if task is not None and not hasattr(task, "measures"):
        raise LotteryError(f"task is {kind_of(task)}: give its name, or an object such as lth.Regression()")
    return task or PLAIN


def _prepared(train: Examples, test: Examples, validation: int | None, task: Task, network: nn.Module) -> Data:
    with global_rng(0, "data"):
        tensors = raw_data(train, test, alone=task.targets == "tokens")
    if not any(isinstance(module, (nn.Embedding, nn.EmbeddingBag)) for module in network.modules()):
        floats = {key: tree_map(_floating, tensors[key]) for key in ("train_images", "test_images")}
        tensors = RawData(tensors | floats)  # numbers as integers, which a network of layers alone does not take
    held_out = len(first_tensor(tensors["train_images"])) // 10 if validation is None else validation
    return prepare("custom", tensors, validation=held_out, normalize="none", task=task)


def _floating(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_floating_point() or tensor.dtype == torch.bool else tensor.float()
