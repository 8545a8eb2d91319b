"""Places where a network keeps something beside its state dict: attributes, unsaved buffers, counters of its classes.

Objects stay the same: what a list or an object held is put back into it. What the network reaches through functions
alone, such as a list that a hook fills, is the user's: only numbers and text there go back.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import CellType, FunctionType
from typing import Any

from torch import Tensor, nn

from lth.core.code import functions_of, names_of, reached, unwrapped, user_classes
from lth.core.parts import ABSENT, GENERATORS, IMMUTABLE, Part, parts_of, same

INTERNAL = frozenset(vars(nn.Module())) | {"_is_full_backward_hook"}
"""The attributes that torch itself gives every module."""
HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


def attributes(module: nn.Module) -> dict[str, Any]:
    """The attributes of a module besides its parameters, buffers, modules and hooks."""
    return {name: value for name, value in vars(module).items() if name not in INTERNAL}


def hooks_of(module: nn.Module) -> list[Any]:
    """The hooks of a module that run in a forward or backward pass."""
    return [hook for hooks in HOOKS for hook in (getattr(module, hooks) or {}).values()]


def is_plain(model: nn.Module) -> bool:
    """Whether every module is of torch or lth, without hooks and unsaved buffers: only the state dict changes then."""
    return all(
        type(module).__module__.startswith(("torch.", "lth."))
        and not module._non_persistent_buffers_set
        and not hooks_of(module)
        for module in model.modules()
    )


@dataclass(frozen=True)
class Place:
    """Where a value is: the entry `name` of a namespace, of a class, or a variable of a closure."""

    owner: Any
    name: str

    def get(self) -> Any:
        """The value; ABSENT where there is none."""
        if isinstance(self.owner, CellType):
            try:
                return self.owner.cell_contents
            except ValueError:
                return ABSENT
        return (vars(self.owner) if isinstance(self.owner, type) else self.owner).get(self.name, ABSENT)

    def set(self, value: Any) -> None:
        """Changes the value; ABSENT takes it away."""
        if isinstance(self.owner, CellType):
            self.owner.cell_contents = value
        elif isinstance(self.owner, type):
            delattr(self.owner, self.name) if value is ABSENT else setattr(self.owner, self.name, value)
        elif value is ABSENT:
            self.owner.pop(self.name, None)
        else:
            self.owner[self.name] = value


@dataclass(frozen=True)
class Taken:
    """A place with the value that it had, and with all that could change in that value."""

    place: Place
    value: Any
    parts: list[Part]

    @property
    def changed(self) -> bool:
        """Whether the place has another value now, or one that has changed; another tensor of equal bits has not."""
        present = self.place.get()
        if isinstance(present, Tensor) and self.parts and self.parts[0].thing is self.value:
            return not self.parts[0].held_by(present)
        return not same(present, self.value) or any(part.changed for part in self.parts)

    def restore(self) -> None:
        """Puts the value back, as it was."""
        present = self.place.get()
        for part in self.parts:
            part.restore()
        if isinstance(self.value, Tensor) and isinstance(present, Tensor) and present.device != self.value.device:
            self.place.set(self.value.to(present.device))  # the network was moved in between
        elif not same(present, self.value):
            self.place.set(self.value)


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

    They are attributes of its classes, global variables that a function sets, variables of closures.
    """
    functions: list[FunctionType] = []
    for module in model.modules():
        functions += [function for x in (*hooks_of(module), *attributes(module).values()) for function in unwrapped(x)]
        for kind in user_classes(type(module)):
            functions += functions_of(kind)
            for name, value in vars(kind).items():
                if isinstance(value, (*IMMUTABLE, *GENERATORS)) and not name.startswith("__"):
                    yield f"{kind.__module__}.{kind.__qualname__}.{name}", Place(kind, name)
    for function in reached(functions):
        about = f"{function.__module__}.{function.__qualname__}"
        places: list[tuple[str, Any, str]] = [
            (f"{function.__module__}:{name}", function.__globals__, name) for name in names_of(function.__code__)[1]
        ]
        places += [(f"{about}.{name}", vars(function), name) for name in vars(function)]
        closure = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        places += [(f"{about}:{name}", cell, name) for name, cell in closure]
        for path, owner, name in places:
            place = Place(owner, name)
            if isinstance(place.get(), (*IMMUTABLE, *GENERATORS)):
                yield path, place
        for name in names_of(function.__code__)[0]:
            if isinstance(function.__globals__.get(name), GENERATORS):
                yield f"{function.__module__}:{name}", Place(function.__globals__, name)


def take(model: nn.Module, shared: bool = False) -> dict[str, Taken]:
    """Name -> the present side state of `model`; `shared`: of what functions set outside of it alone."""
    if is_plain(model):
        return {}
    known = {id(x) for x in (*model.modules(), *model.parameters(), *model.buffers())}
    places = dict(shared_places(model))
    if not shared:
        places |= dict(inner_places(model))
    taken = {}
    for name, place in places.items():
        value = place.get()
        taken[name] = Taken(place, value, parts_of(value, known - {id(value)}))
    return taken


def copied(model: nn.Module) -> nn.Module:
    """A copy of `model`, also where it keeps something that `copy.deepcopy` alone refuses.

    Tensors that it has computed, such as the weight under `torch.nn.utils.weight_norm` or an activation, are copied
    without their gradient graph; what cannot be copied, such as a lock, is shared.
    """
    held = [value for module in model.modules() for value in (*attributes(module).values(), *hooks_of(module))]
    known = {id(x) for x in (*model.modules(), *model.parameters(), *model.buffers())}
    tensors = [part.thing for part in parts_of(held, known) if isinstance(part.thing, Tensor)]
    memo: dict[int, Any] = {id(x): x.detach().clone() for x in tensors if x.grad_fn is not None}
    try:
        network = copy.deepcopy(model, dict(memo))
    except Exception:  # whatever the things that it keeps raise
        for value in held:
            try:
                copy.deepcopy(value, dict(memo))
            except Exception:
                memo[id(value)] = value
        network = copy.deepcopy(model, memo)
    for parameter, copied in zip(model.parameters(), network.parameters(), strict=True):
        for hook in (parameter._backward_hooks or {}).values():  # which a copy of a tensor does without
            copied.register_hook(hook)
        for hook in (getattr(parameter, "_post_accumulate_grad_hooks", None) or {}).values():
            copied.register_post_accumulate_grad_hook(hook)
    return network


@contextmanager
def kept(model: nn.Module, shared: bool = False) -> Iterator[None]:
    """Afterwards the side state of `model` is as before; `shared`: as in `take`."""
    before = take(model, shared)
    try:
        yield
    finally:
        restore(before, take(model, shared))


def restore(before: Mapping[str, Taken], now: Mapping[str, Taken]) -> None:
    """Takes the side state of a network from what it is `now` to what it was `before`."""
    for name, taken in now.items():
        if name not in before:
            taken.place.set(ABSENT)
    for taken in before.values():
        taken.restore()
