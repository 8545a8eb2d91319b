"""The fingerprint of a training: everything that its result depends on, and nothing else, as JSON and as a hash."""

import hashlib
import inspect
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import CodeType
from typing import Any

from torch import Tensor, nn

from lth.core.weights import digest
from lth.training.run_spec import RunSpec

LOOP = 1
"""Raise it when the training loop gives other results: runs that the older loop trained are then trained again."""

_INTERNAL = set(vars(nn.Module())) | {"_is_full_backward_hook", "_non_persistent_buffers_set"}
_MAX_DEPTH = 6


def fingerprint_inputs(spec: RunSpec) -> dict[str, Any]:
    """Everything that the result of training `spec` depends on; equal for two specs exactly if they train the same.

    Left out are folders, device, logging, observers, and settings without effect: the mask of a layer that is not
    pruned, the length of a schedule that does not depend on it, the seed of an augmentation that is off. With an
    `update` the first two have an effect: it changes every layer in the mask, and never after the schedule's last step.
    """
    seeds, update = {"order": spec.seeds.order}, spec.update
    if spec.data.augment != "none":
        seeds["augment"] = spec.seeds.augment
    if update and update.draws:
        seeds["mask"] = spec.seeds.mask
    plan = asdict(spec.plan)
    if spec.plan.schedule != "cosine" and not update:
        plan["total"] = spec.plan.stop
    changes = {"update": update.fingerprint()} if update else {}
    return changes | {
        "loop": LOOP,
        "model": architecture(spec.model),
        "data": {"digest": spec.data.digest, "augment": spec.data.augment},
        "start": digest(spec.initial_state),
        "mask": digest({name: mask for name, mask in spec.mask.items() if update or not mask.all()}),
        "plan": json.loads(json.dumps(plan)),
        "seeds": seeds,
    }


def fingerprint(inputs: Mapping[str, Any]) -> str:
    """The hash of `fingerprint_inputs`, 20 hexadecimal digits: the name of the run in the store.

    >>> fingerprint({"loop": 1, "plan": {"lr": 0.0012}})
    '32f16a72435116615f0d'
    """
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:20]


def architecture(model: nn.Module) -> dict[str, Any]:
    """Every module's class and settings, a hash of each class's source outside torch, and which parameters are frozen.

    Settings are a module's plain attributes, whether or not `repr` shows them; sources are the files that define its
    classes and their bases. Code in other files that a user's module calls is not covered.
    """
    modules = {name: [_name(type(module)), _settings(module)] for name, module in model.named_modules()}
    classes = {base for module in model.modules() for base in type(module).__mro__}
    sources = {_name(x): _source(x) for x in classes if x.__module__.split(".")[0] not in ("torch", "builtins")}
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    return {"modules": modules, "sources": dict(sorted(sources.items())), "frozen": frozen}


def _settings(module: nn.Module) -> Any:
    return _plain({key: value for key, value in vars(module).items() if key not in _INTERNAL})


def _plain(value: Any, depth: int = 0) -> Any:
    """`value` as JSON, without anything that differs between processes, such as a memory address."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Tensor):
        return digest({"": value})
    if depth == _MAX_DEPTH:
        return _name(type(value))
    if isinstance(value, Mapping):
        return sorted([str(key), _plain(item, depth + 1)] for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(json.dumps(_plain(item, depth + 1)) for item in value)
    if isinstance(value, nn.Module):  # it also has an entry among the modules
        return [_name(type(value)), _settings(value) if depth < 2 else ""]
    if isinstance(code := getattr(value, "__code__", None), CodeType):
        return [value.__qualname__, _code(code), _plain([value.__defaults__, value.__kwdefaults__], depth + 1)]
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "__dict__"):
        return [_name(type(value)), _plain(vars(value), depth + 1)]
    return [_name(type(value)), repr(value) if " at 0x" not in repr(value) else ""]


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _source(kind: type) -> str:
    """A hash of the file that defines `kind`; without a file (in a console), of what the class body defines."""
    try:
        content = Path(inspect.getfile(kind)).read_bytes()
    except (TypeError, OSError):
        body = {key: value for key, value in vars(kind).items() if key not in ("__dict__", "__weakref__", "__doc__")}
        content = json.dumps(_plain({key: _unwrapped(value) for key, value in body.items()})).encode()
    return hashlib.sha256(content).hexdigest()[:20]


def _unwrapped(value: Any) -> Any:
    """The function inside a property, class method or static method."""
    return getattr(value, "fget", None) or getattr(value, "__func__", None) or value


def _code(code: CodeType) -> str:
    constants = [_code(x) if isinstance(x, CodeType) else _plain(x) for x in code.co_consts]
    return hashlib.sha256(f"{code.co_code.hex()} {code.co_names} {constants}".encode()).hexdigest()[:20]
