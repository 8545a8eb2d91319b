"""Things that change in place, reached from a value: containers, tensors, generators, objects of the user's classes."""

import pickle
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from functools import partial
from types import MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lth.core.code import is_library

ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "ABSENT"})()
"""In place of a value: there is none."""
IMMUTABLE = (bool, int, float, complex, str, bytes, type(None))
GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)


@dataclass(frozen=True)
class Kind:
    """How the content of a thing is read, as a copy of its own, and written back."""

    read: Callable[[Any], Any]
    write: Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Part:
    """A thing that can change in place, and what it held."""

    thing: Any
    kind: Kind
    content: Any

    @property
    def changed(self) -> bool:
        """Whether it holds something else now."""
        return not self.held_by(self.thing)

    def held_by(self, thing: Any) -> bool:
        """Whether `thing`, which is of the same kind, holds the same."""
        return same(self.kind.read(thing), self.content)

    def restore(self) -> None:
        """Puts back what it held."""
        if self.changed:
            self.kind.write(self.thing, self.content)


def same(first: Any, second: Any) -> bool:
    """Whether two values are one object, equal numbers or texts, tensors of the same bits, or hold the same objects."""
    if first is second:
        return True
    if type(first) is not type(second):
        return False
    if isinstance(first, IMMUTABLE):
        return bool(first == second) or first != first  # NaN is as it was
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[key], second[key]) for key in first)
    if isinstance(first, set):
        return bool(first == second)
    return isinstance(first, _Bits) and first.same(second)


@dataclass(frozen=True)
class _Bits:
    """A copy of a tensor, an array or a generator's state, which is the same as another by its bits."""

    copy: Any

    def same(self, other: "_Bits") -> bool:
        first, second = self.copy, other.copy
        if not isinstance(first, Tensor):
            return pickle.dumps(first) == pickle.dumps(second)
        if (first.shape, first.dtype, first.device) != (second.shape, second.dtype, second.device):
            return False
        return first.numel() == 0 or torch.equal(
            *(x.contiguous().reshape(-1).view(torch.uint8) for x in (first, second))
        )


def _copied(tensor: Tensor) -> _Bits:
    return _Bits(tensor.detach().clone())


@torch.no_grad()
def _fill(tensor: Tensor, content: _Bits) -> None:
    if tensor.shape == content.copy.shape:
        tensor.copy_(content.copy)
    else:
        tensor.set_(content.copy.clone())  # type: ignore[call-overload,unused-ignore]


def _refill(thing: Any, content: Iterable[Any]) -> None:
    thing.clear()
    (thing.extend if isinstance(thing, (list, deque)) else thing.update)(content)


def _set_attributes(thing: Any, content: dict[str, Any]) -> None:
    for name in attributes_of(thing).keys() - content:
        object.__delattr__(thing, name)
    for name, value in content.items():
        object.__setattr__(thing, name, value)


KINDS: tuple[tuple[Any, Kind], ...] = (
    ((list, deque), Kind(list, _refill)),
    (dict, Kind(dict, _refill)),
    (set, Kind(set, _refill)),
    (bytearray, Kind(bytes, lambda thing, content: thing.__setitem__(slice(None), content))),
    (Tensor, Kind(_copied, _fill)),
    (np.ndarray, Kind(lambda x: _Bits(x.copy()), lambda thing, content: np.copyto(thing, content.copy))),
    (torch.Generator, Kind(lambda x: _Bits(x.get_state()), lambda thing, content: thing.set_state(content.copy))),
    (
        np.random.Generator,
        Kind(
            lambda x: _Bits(x.bit_generator.state), lambda x, content: setattr(x.bit_generator, "state", content.copy)
        ),
    ),
    (np.random.RandomState, Kind(lambda x: _Bits(x.get_state()), lambda x, content: x.set_state(content.copy))),
    (random.Random, Kind(lambda x: x.getstate(), lambda x, content: x.setstate(content))),
)
"""Type -> how things of it are read and written."""
OBJECT = Kind(lambda thing: attributes_of(thing), _set_attributes)


def attributes_of(thing: Any) -> dict[str, Any]:
    """The attributes of an object, in its `__dict__` and in the `__slots__` of its classes."""
    return {**getattr(thing, "__dict__", {}), **slots_of(thing)}


def slots_of(thing: Any) -> dict[str, Any]:
    """The attributes that an object has in `__slots__`, those of its bases too."""
    values = {}
    for kind in type(thing).__mro__:
        names = vars(kind).get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            private = name.startswith("__") and not name.endswith("__")
            name = f"_{kind.__name__.lstrip('_')}{name}" if private else name
            if name not in ("__dict__", "__weakref__") and (value := getattr(thing, name, ABSENT)) is not ABSENT:
                values[name] = value
    return values


def parts_of(value: Any, known: Set[int] = frozenset()) -> list[Part]:
    """Every thing that can change in place and is reached from `value`, with its content; known: as in `things_of`."""
    return [Part(thing, kind, kind.read(thing)) for thing, kind in things_of(value, known)]


def things_of(value: Any, known: Set[int] = frozenset()) -> Iterator[tuple[Any, Kind]]:
    """Every thing that can change in place and is reached from `value`, and how it is read.

    It follows containers, partial functions, methods, modules and objects of the user's classes, but neither functions
    nor objects of libraries. known: ids of things to leave out.
    """
    waiting, visited = [value], set(known)
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, (*IMMUTABLE, type)) or id(thing) in visited:
            continue
        visited.add(id(thing))
        kind = _kind_of(thing)
        if kind:
            yield thing, kind
        waiting += _inside(thing)
        if isinstance(thing, nn.Module) or not is_library(type(thing).__module__):
            waiting += attributes_of(thing).values()
            if kind is not OBJECT:
                yield thing, OBJECT


def _kind_of(thing: Any) -> Kind | None:
    for types, kind in KINDS:
        if isinstance(thing, types):
            strided = not isinstance(thing, Tensor) or (thing.layout == torch.strided and not thing.is_meta)
            return kind if strided else None
    user_object = isinstance(thing, nn.Module) or not is_library(type(thing).__module__)
    return OBJECT if user_object else None


def _inside(thing: Any) -> Iterator[Any]:
    """The things that `thing` holds."""
    if isinstance(thing, dict):
        yield from thing.values()
    elif isinstance(thing, (list, tuple, set, frozenset, deque)):
        yield from thing
    elif isinstance(thing, partial):
        yield from (thing.func, thing.args, thing.keywords)
    elif isinstance(thing, MethodType):
        yield thing.__self__
