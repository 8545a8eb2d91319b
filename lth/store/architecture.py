"""The architecture of a network: all that it computes by, but its parameters and saved buffers, as JSON."""

import hashlib
import inspect
import sys
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import FunctionType
from typing import Any

import torch
from torch import nn

from lth.core.code import functions_of, names_of, user_classes
from lth.core.places import HOOKS
from lth.core.reading import read_bytes
from lth.core.weights import digest
from lth.models import MODELS, build
from lth.store.reading import Reader
from lth.store.sources import helpers

_ITERATED = {"children", "named_children", "modules", "named_modules", "_modules"}


@dataclass(frozen=True)
class Changes:
    """What a pass through a network changes and what is therefore no part of its architecture.

    attributes: names of those that a pass sets before it reads them; entries: (id, key) of those of dicts and objects
    outside of the network, in closures or global, and (id, None) of lists and tensors; things: those that have the ids.
    """

    attributes: frozenset[str] = frozenset()
    entries: frozenset[tuple[int, Any]] = frozenset()
    things: tuple[Any, ...] = ()


def architecture(model: nn.Module, changes: Changes | None = None) -> dict[str, Any]:
    """All that a network computes by, but its parameters and saved buffers, as JSON.

    modules: the class and the attributes of each; sources: a hash of the file of each class outside torch; frozen: the
    parameters that do not train. Only where there are any: hooks; the values of unsaved buffers; tensors with several
    names; the order of modules that run in order; helpers, the user's files that those of classes import; code, what
    runs and is in no file, or is not what the file says; unread, what could not be read, with a number that never comes
    again.
    """
    return read_network(model, changes or Changes())[0]


def read_network(model: nn.Module, changes: Changes) -> tuple[dict[str, Any], Reader]:
    """`architecture` of a network, and what has read it."""
    saved = model.state_dict(keep_vars=True)
    tensors = [(name, x) for name, x in (*model.named_parameters(), *model.named_buffers()) if name in saved]
    known: dict[int, Any] = {id(module): {"module": name} for name, module in model.named_modules()}
    reader = Reader(known | {id(x): {"tensor": name} for name, x in tensors}, changes.entries)
    with _deep_recursion():
        modules = {name: reader.module(module, name, changes.attributes) for name, module in model.named_modules()}
        further = {
            "hooks": _hooks(model, reader),
            "buffers": {name: digest({"": x}) for name, x in model.named_buffers() if name not in saved},
            "tied": _tied(model),
            "order": _order(model),
        }
    classes = {base for module in model.modules() for base in type(module).__mro__}
    sources = {_name(x): _source(x) for x in classes if x.__module__.split(".")[0] not in ("torch", "builtins")}
    files = helpers([*reader.code.modules])
    further |= {
        "helpers": {name: x for name, x in sorted(files.items()) if x not in sources.values()},
        "code": dict(sorted(reader.code.listed.items())),
        "unread": {"paths": reader.unread, "number": uuid.uuid4().hex} if reader.unread else {},
    }
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    sections = {"modules": modules, "sources": dict(sorted(sources.items())), "frozen": frozen}
    return sections | {key: value for key, value in further.items() if value}, reader


def code_of(functions: Iterable[FunctionType]) -> dict[str, Any]:
    """What functions of the user's are: their files and those that these import, and what no file says of them.

    Nothing for functions of libraries. Whatever they hold that cannot be read is left out.
    """
    reader = Reader({})
    for function in functions:
        reader.code.function(function)
    sections = {"helpers": helpers([*reader.code.modules]), "code": reader.code.listed}
    return {name: dict(sorted(section.items())) for name, section in sections.items() if section}


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _source(kind: type) -> str:
    """A hash of the file that defines `kind`; empty without a file, as in a console."""
    try:
        return hashlib.sha256(read_bytes(inspect.getfile(kind))).hexdigest()[:20]
    except (TypeError, OSError):
        return ""


def _hooks(model: nn.Module, reader: Reader) -> dict[str, Any]:
    """Path -> each hook of a module or a parameter that runs in a pass, numbered in their order."""
    hooks: dict[str, Any] = {}
    for name, module in model.named_modules():
        for kind in HOOKS:
            for number, (key, hook) in enumerate((getattr(module, kind) or {}).items()):
                path = f"{name}.{kind}[{number}]".lstrip(".")
                flags = [key in getattr(module, f"{kind}{flag}", {}) for flag in ("_with_kwargs", "_always_called")]
                hooks[path] = [reader.read(hook, path), *flags]
        if getattr(module, "_is_full_backward_hook", None) is not None:
            hooks[f"{name}.full_backward"] = module._is_full_backward_hook
    for name, parameter in model.named_parameters():
        for kind in ("_backward_hooks", "_post_accumulate_grad_hooks"):
            for number, hook in enumerate((getattr(parameter, kind, None) or {}).values()):
                hooks[f"{name}.{kind}[{number}]"] = reader.read(hook, f"{name}.{kind}[{number}]")
    for kind in ("_global_forward_pre_hooks", "_global_forward_hooks", "_global_backward_hooks"):
        for number, hook in enumerate(getattr(nn.modules.module, kind, {}).values()):
            hooks[f"{kind}[{number}]"] = reader.read(hook, f"{kind}[{number}]")
    return hooks


def _tied(model: nn.Module) -> list[list[str]]:
    """The names of parameters and buffers that share memory."""
    names: dict[Any, list[str]] = {}
    tensors = (*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False))
    for name, tensor in tensors:
        if tensor.numel() and not tensor.is_meta and tensor.layout == torch.strided:
            names.setdefault((tensor.device, tensor.untyped_storage().data_ptr()), []).append(name)
    return [group for group in names.values() if len(group) > 1]


def _order(model: nn.Module) -> dict[str, list[str]]:
    """Name -> the modules within a module that may run them in their order, unless they are numbered in it."""
    orders = {}
    for name, module in model.named_modules():
        children = tuple(module._modules.keys())
        if _runs_in_order(module) and children not in _known_orders(len(children)):
            orders[name] = list(children)
    return orders


def _runs_in_order(module: nn.Module) -> bool:
    """Whether a module is a container, or of a class of the user's whose code goes through its modules."""
    if isinstance(module, (nn.Sequential, nn.ModuleList, nn.ModuleDict)):
        return True
    functions = [function for kind in user_classes(type(module)) for function in functions_of(kind)]
    return any(_ITERATED & set(names_of(function.__code__)[2]) for function in functions)


LATER_NETWORKS = ("vgg11", "vgg16")
"""The networks of lth that are younger than kept trainings, whose hashes name every order but those of the others."""


@cache
def _known_orders(count: int) -> set[tuple[str, ...]]:
    """The orders of `count` modules left out, as in stored runs: numbers, and those of lth's first networks."""
    with torch.device("meta"):
        networks = [build(name, (3, 32, 32), 10) for name in MODELS if name not in LATER_NETWORKS]
        networks.append(build("mlp", (1,), 2, [1] * max(1, count // 2 - 1)))
    return {tuple(map(str, range(count))), *(tuple(network._modules) for network in networks)}


@contextmanager
def _deep_recursion() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 20_000))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
