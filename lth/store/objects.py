"""How an object of any class is taken apart: by attributes, by a built-in type's content, or as `pickle` does it."""

import copyreg
from collections.abc import Callable
from typing import Any

from lth.core.code import is_library

CONTAINERS: dict[type, Callable[[Any], Any]] = {
    dict: lambda x: dict(dict.items(x)),
    list: lambda x: list(list.__iter__(x)),
    tuple: lambda x: tuple(tuple.__iter__(x)),
    set: lambda x: set(set.__iter__(x)),
    frozenset: lambda x: frozenset(frozenset.__iter__(x)),
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    complex: lambda x: complex(x.real, x.imag),
    bytes: lambda x: b"".join([x]),
    bytearray: lambda x: b"".join([x]),
}
"""Built-in type -> the plain content of an object of a class derived from it."""
_CUSTOM = {"__reduce__", "__reduce_ex__", "__getstate__"}
_POINTER = 8
_MANAGED_DICT, _MANAGED_WEAKREF = 1 << 4, 1 << 3  # flags of types whose objects have these outside of their own size


class UnreadableError(Exception):
    """Something that no reading gives the content of."""


def container_of(kind: type) -> type | None:
    """The built-in type that a class is derived from; None for one that is not."""
    return next((base for base in kind.__mro__ if base in CONTAINERS), None)


def is_opaque(kind: type) -> bool:
    """Whether objects hold more than attributes and a built-in type's content, or a library says how to read them."""
    for base in kind.__mro__:
        custom = _CUSTOM & set(vars(base)) or base in copyreg.dispatch_table
        if custom and base not in (object, *CONTAINERS) and is_library(base.__module__):
            return True
    container = container_of(kind)
    words = sum(len(_slots(base)) for base in kind.__mro__)
    words += kind.__dictoffset__ != 0 and not kind.__flags__ & _MANAGED_DICT
    words += kind.__weakrefoffset__ > 0 and not kind.__flags__ & _MANAGED_WEAKREF
    size = (container or object).__basicsize__ + _POINTER * words
    return kind.__basicsize__ > size or (kind.__itemsize__ != 0 and container is None)


def _slots(kind: type) -> tuple[str, ...]:
    names = vars(kind).get("__slots__") or ()
    return (names,) if isinstance(names, str) else tuple(names)


def pickled(value: Any) -> tuple[Any, ...] | str:
    """What `pickle` would write of an object of a library; UnreadableError where it refuses."""
    reduce = copyreg.dispatch_table.get(type(value))
    try:
        parts: tuple[Any, ...] | str = reduce(value) if reduce else value.__reduce_ex__(4)
    except Exception as error:  # it cannot be pickled, and says so in whatever way
        raise UnreadableError from error
    return parts
