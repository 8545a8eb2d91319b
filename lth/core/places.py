"""Places where a network keeps something beside its state dict: attributes, unsaved buffers, counters of its classes.

Objects stay the same: what a list or an object held is put back into it. What the network reaches through functions
alone, such as a list that a hook fills, is the user's: only numbers and text there go back.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from types import BuiltinFunctionType, CellType, FunctionType
from typing import Any

from torch import nn

from lth.core.code import (
    functions_of,
    is_library,
    is_library_function,
    names_of,
    reached,
    unwrapped,
    user_classes,
)
from lth.core.parts import ABSENT, GENERATORS, IMMUTABLE, OBJECT, things_of

INTERNAL = frozenset(vars(nn.Module())) | {"_is_full_backward_hook"}
"""The attributes that torch itself gives every module."""
REWOUND = (*IMMUTABLE, *GENERATORS)
"""The types of what goes back outside of the network."""
MANY = 100
"""So many things that a variable holds are looked at, and so many entries of a list."""
HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


def attributes(module: nn.Module) -> dict[str, Any]:
    """The attributes of a module besides its parameters, buffers, modules and hooks."""
    return {name: value for name, value in vars(module).items() if name not in INTERNAL}


def hooks_of(module: nn.Module) -> list[Any]:
    """The hooks of a module that run in a forward or backward pass."""
    return [hook for hooks in HOOKS for hook in (getattr(module, hooks) or {}).values()]


def is_plain(model: nn.Module) -> bool:
    """Whether every module is of torch or lth and calls nothing else: then only the state dict changes.

    No module has hooks, unsaved buffers, or an attribute to call other than functions and classes of libraries.
    """
    return all(
        type(module).__module__.startswith(("torch.", "lth."))
        and not module._non_persistent_buffers_set
        and not hooks_of(module)
        and not any(callable(value) and not _of_library(value) for value in attributes(module).values())
        for module in model.modules()
    )


def _of_library(value: Any) -> bool:
    """Whether a value that can be called is a function or class of a library."""
    if isinstance(value, FunctionType):
        return is_library_function(value)
    return isinstance(value, (type, BuiltinFunctionType)) and is_library(value.__module__)


@dataclass(frozen=True)
class Place:
    """Where a value is: an entry of a dict or list, an attribute of an object or class, a variable of a closure."""

    owner: Any
    name: Any

    def get(self) -> Any:
        """The value; ABSENT where there is none."""
        if isinstance(self.owner, dict):
            return self.owner.get(self.name, ABSENT)
        if isinstance(self.owner, list):
            return self.owner[self.name] if self.name < len(self.owner) else ABSENT
        if isinstance(self.owner, type):
            return vars(self.owner).get(self.name, ABSENT)
        try:
            return getattr(self.owner, "cell_contents" if isinstance(self.owner, CellType) else self.name)
        except (ValueError, AttributeError):  # an empty cell, no such attribute
            return ABSENT

    def set(self, value: Any) -> None:
        """Changes the value; ABSENT takes it away."""
        if isinstance(self.owner, (dict, list)):
            if value is not ABSENT:
                self.owner[self.name] = value
            elif isinstance(self.owner, dict):
                self.owner.pop(self.name, None)
        elif isinstance(self.owner, CellType):
            self.owner.cell_contents = value
        elif isinstance(self.owner, type):
            delattr(self.owner, self.name) if value is ABSENT else setattr(self.owner, self.name, value)
        elif value is ABSENT:
            object.__delattr__(self.owner, self.name)
        else:
            object.__setattr__(self.owner, self.name, value)


def inner_places(model: nn.Module) -> Iterator[tuple[str, Place]]:
    """(name, place) of each attribute and unsaved buffer of the modules, and of what hooks are called on."""
    for path, module in model.named_modules():
        prefix = f"{path}." if path else ""
        for name in attributes(module):
            yield f"{prefix}{name}", Place(vars(module), name)
        for name in sorted(module._non_persistent_buffers_set):
            yield f"{prefix}{name}", Place(module._buffers, name)
        for hooks in HOOKS:
            for number, key in enumerate(getattr(module, hooks) or {}):
                yield f"{prefix}{hooks}[{number}]", Place(getattr(module, hooks), key)


def shared_places(model: nn.Module) -> Iterator[tuple[str, Place]]:
    """(name, place) of each number, text or generator that functions of the network may change outside of it.

    They are attributes of its classes, global variables that a function sets, variables of closures, and entries of
    dicts, lists and objects there and in global variables that a function reads.
    """
    known = known_things(model)
    for name, place in _variables(model):
        value = place.get()
        if isinstance(value, REWOUND):
            yield name, place
        for number, (thing, kind) in enumerate(islice(things_of(value, known), MANY)):
            content = thing if isinstance(thing, (dict, list)) else kind.read(thing) if kind is OBJECT else ()
            entries = content.items() if isinstance(content, dict) else enumerate(content[:MANY])
            for key, item in list(islice(entries, MANY)):
                if isinstance(item, REWOUND):
                    yield f"{name}/{number}[{key!r}]", Place(thing, key)


def _variables(model: nn.Module) -> Iterator[tuple[str, Place]]:
    """(name, place) of what functions of the network reach outside of it."""
    functions: list[FunctionType] = []
    for module in model.modules():
        functions += [function for x in (*hooks_of(module), *attributes(module).values()) for function in unwrapped(x)]
        for kind in user_classes(type(module)):
            functions += functions_of(kind)
            names = [name for name, value in vars(kind).items() if not name.startswith("__") and not unwrapped(value)]
            yield from ((f"{kind.__module__}.{kind.__qualname__}.{name}", Place(kind, name)) for name in names)
    for function in reached(functions):
        about = f"{function.__module__}.{function.__qualname__}"
        read, written, _ = names_of(function.__code__)
        for name in (*written, *(x for x in read if not isinstance(function.__globals__.get(x), IMMUTABLE))):
            yield f"{function.__module__}:{name}", Place(function.__globals__, name)
        for name in vars(function):
            yield f"{about}.{name}", Place(vars(function), name)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            yield f"{about}:{name}", Place(cell, name)
        for number, default in enumerate(function.__defaults__ or ()):
            yield f"{about}({number})", Place([default], 0)


def known_things(model: nn.Module) -> set[int]:
    """The ids of the modules, parameters and buffers of `model`."""
    return {id(x) for x in (*model.modules(), *model.parameters(), *model.buffers())}
