"""The side state of a network: what it keeps beside its state dict, and how trainings rewind, keep and load it.

A training changes it as it changes weights, so the next one starts from what it was; kept weights know what there was
beside them, where it differs from the start of their training.
"""

import logging
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from lth.core.keeping import Taken, take
from lth.core.parts import ABSENT
from lth.core.places import Place, inner_places, shared_places
from lth.core.portable import NotPortable, packed, unpacked

log = logging.getLogger(__name__)

_LATEST: "WeakKeyDictionary[nn.Module, weakref.ref[SideState]]" = WeakKeyDictionary()
"""Network -> the side state that it was last trained from."""
_CHANGING: "WeakKeyDictionary[nn.Module, dict[str, Place]]" = WeakKeyDictionary()
"""Network -> the places that trainings have changed."""


class SideState:
    """The side state of `model` as it is now: what every training that has it starts from.

    Only what trainings change goes back. Whatever else is changed in between, by the user, counts.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._start = take(model)
        self._named: set[str] = set()
        _LATEST[model] = weakref.ref(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return SideState, (self.model,)

    def rewind(self) -> None:
        """Takes the side state of the network back to the start."""
        for name, place in _CHANGING.get(self.model, {}).items():
            if name in self._start:
                self._start[name].restore()
            else:
                place.set(ABSENT)

    @contextmanager
    def training(self) -> Iterator[None]:
        """Within, the network is trained from its start; what changes is known afterwards."""
        self.rewind()
        self._start = take(self.model)
        _LATEST[self.model] = weakref.ref(self)
        try:
            yield
        finally:
            _CHANGING.setdefault(self.model, {}).update((name, taken.place) for name, taken in self._changed().items())

    def _changed(self) -> dict[str, Taken]:
        """Name -> the present value of what differs from the start."""
        now = take(self.model)
        gone = {name: Taken(taken.place, ABSENT, []) for name, taken in self._start.items() if name not in now}
        return {
            name: taken for name, taken in (now | gone).items() if name not in self._start or self._start[name].changed
        }

    def packed(self) -> dict[str, Tensor]:
        """What differs from the start, as tensors that a file can hold; an empty one for what is not there any more.

        What cannot be kept is left out, and named in the log.
        """
        tensors: dict[str, Tensor] = {}
        for name, taken in self._changed().items():
            try:
                tensors |= {name: torch.empty(0)} if taken.value is ABSENT else packed(taken.value, name)
            except NotPortable as error:
                self._name(name, str(error))
        return tensors

    @property
    def complete(self) -> bool:
        """Whether `packed` has held everything so far."""
        return not self._named

    def _name(self, name: str, kind: str) -> None:
        if name not in self._named:
            self._named.add(name)
            log.warning("%s (%s) changes in training and cannot be kept: kept weights do without it", name, kind)


def load_side_state(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Takes the side state of `model` back to the start of its trainings, then to what `SideState.packed` gave."""
    side = _LATEST[model]() if model in _LATEST else None
    if side:
        side.rewind()
    names = [name for name in tensors if "|" not in name]
    if not names:
        return
    places = dict(shared_places(model)) | dict(inner_places(model))
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    for name in names:
        place = places.get(name) or _attribute(model, name)
        if place is not None:
            there = tensors[name].numel()
            place.set(unpacked(tensors, name, place.get(), device) if there else ABSENT)
            _CHANGING.setdefault(model, {})[name] = place


def _attribute(model: nn.Module, name: str) -> Place | None:
    """The place of an attribute that a training has made; None where there is no such module."""
    path, _, attribute = name.rpartition(".")
    module = dict(model.named_modules()).get(path)
    return None if module is None else Place(vars(module), attribute)
