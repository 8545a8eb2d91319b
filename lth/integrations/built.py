"""What Trainers that users build have to be, for a search to train by them, and what they leave in the model."""

import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lth.core.errors import LotteryError, SettingError
from lth.core.parts import ABSENT
from lth.core.places import Place, inner_places
from lth.data.arrays import kind_of

SPLITS = ("train_", "val_", "test_")


class BuiltFit:
    """A `fit` by the Trainer that `build(run)` gives: it has the name and the arguments of that function.

    steps: of a training, or None: as many as the Trainer makes. metrics: gives the final ones of the trained Trainer.
    """

    def __init__(self, build: Callable[..., Any], steps: int | None, metrics: Callable[[Any], Any] | None) -> None:
        if isinstance(build, type) or not callable(build):
            problem = "give a function that is called with the run and builds a Trainer, for each training anew"
            raise LotteryError(f"got {kind_of(build)}: {problem}")
        names = ("__module__", "__name__", "__qualname__")
        functools.update_wrapper(self, build, names, ())  # type: ignore[arg-type]  # the classes below can be called
        self.build, self.steps, self.metrics = build, steps, metrics

    @property
    def what(self) -> str:
        """What the function builds, as errors name it."""
        return f"the Trainer of {getattr(self.build, '__qualname__', type(self.build).__name__)}"

    def check_steps(self, count: int, setting: str) -> None:
        """Raises SettingError where the Trainer makes another number of steps than given; setting: that says it."""
        if self.steps is not None and self.steps != count:
            problem = f"does not agree with {self.what}, which makes {count}: give it {setting}={self.steps}"
            raise SettingError("steps", self.steps, problem)

    def check(self, problems: Mapping[str, bool]) -> None:
        """Raises LotteryError with the first of `problems` that there is."""
        for problem, there in problems.items():
            if there:
                raise LotteryError(f"{self.what} {problem}")

    def check_device(self, device: torch.device, expected: torch.device, mend: str) -> None:
        """Raises LotteryError where the Trainer trains on another kind of device than the run."""
        if device.type != expected.type:
            raise LotteryError(f"{self.what} trains on {device}, and run.model is on {expected}: give it {mend}")


class Preparation:
    """What a Trainer puts into a model as it begins, such as a forward pass of mixed precision, or hooks.

    It is no part of the network, which is to be the same in every training, and in checkpoints. Made before the Trainer
    begins.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._before = {name: (place, place.get()) for name, place in inner_places(model)}
        self._changes: list[tuple[Place, Any]] = []

    def end(self) -> None:
        """Finds what there is now and was not before: the Trainer has begun, and makes its first step next."""
        places = {name: place for name, (place, _) in self._before.items()} | dict(inner_places(self._model))
        for name, place in places.items():
            before = self._before[name][1] if name in self._before else ABSENT
            if place.get() is not before and not isinstance(place.get(), Tensor):
                self._changes.append((place, before))

    def undo(self) -> None:
        """Takes all of it out of the model."""
        for place, before in self._changes:
            place.set(before)

    @contextmanager
    def undone(self) -> Iterator[None]:
        """Within, the model is without."""
        present = [(place, place.get()) for place, _ in self._changes]
        self.undo()
        try:
            yield
        finally:
            for place, value in present:
                place.set(value)


@contextmanager
def set_aside(model: nn.Module, names: Collection[str], attributes: Mapping[str, Any]) -> Iterator[None]:
    """Within, the attributes of `model` with these names are `attributes`; afterwards what they were before.

    So what a Trainer puts into a model is not taken for something that the network learns.
    """
    present = vars(model)
    before = {name: present.pop(name) for name in names if name in present}
    present.update(attributes)
    try:
        yield
    finally:
        for name in names:
            present.pop(name, None)
        present.update(before)


def attributes_of(model: nn.Module, names: Collection[str]) -> dict[str, Any]:
    """The attributes of `model` with these names."""
    return {name: value for name, value in vars(model).items() if name in names}
