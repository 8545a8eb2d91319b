"""A training's question: all that goes into its result, and nothing else, as JSON and as a hash."""

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
"""Raised when the meaning of the training loop changes: old answers are then not given to new questions."""

_INTERNAL = set(vars(nn.Module())) | {"_is_full_backward_hook", "_non_persistent_buffers_set"}
_DEEP = 6


def question(spec: RunSpec) -> dict[str, Any]:
    """What is asked by training `spec`; equal for two jobs exactly when they are the same training.

    Not in it: folders, device, logging, lineage, observers, and what plays no part: the mask of a whole layer, the
    length of a schedule that does not depend on it, the seed of an augmentation that is not done. With an update the
    first two do: it changes the layers that the mask names, whole ones too, and never after the schedule's last step.
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


def hash_of(question: dict[str, Any]) -> str:
    """The name of a question: 20 hexadecimal digits."""
    return hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()[:20]


def architecture(model: nn.Module) -> dict[str, Any]:
    """Every module's class and settings, the source of each class that is not of torch, and what is frozen.

    Settings are a module's plain attributes, whether or not it prints them; sources are the files of its classes and
    their bases. What a user's module calls in other files is not seen.
    """
    modules = {name: [_name(type(module)), _settings(module)] for name, module in model.named_modules()}
    kinds = {kind for module in model.modules() for kind in type(module).__mro__}
    own = {_name(kind): _source(kind) for kind in kinds if kind.__module__.split(".")[0] not in ("torch", "builtins")}
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    return {"modules": modules, "sources": dict(sorted(own.items())), "frozen": frozen}


def _settings(module: nn.Module) -> Any:
    return _plain({key: value for key, value in vars(module).items() if key not in _INTERNAL})


def _plain(value: Any, depth: int = 0) -> Any:
    """`value` as JSON can hold it, without anything that varies from process to process, such as an address."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Tensor):
        return digest({"": value})
    if depth == _DEEP:
        return _name(type(value))
    if isinstance(value, Mapping):
        return sorted([str(key), _plain(item, depth + 1)] for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(json.dumps(_plain(item, depth + 1)) for item in value)
    if isinstance(value, nn.Module):  # it has its own place among the modules
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
    """A hash of the file that defines `kind`; where there is none (a console), of what its body defines."""
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
