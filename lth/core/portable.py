"""Values as JSON and tensors, to be kept in a file and put back: numbers, text, tensors, generators, containers.

Reading runs no code. An object of a class comes back into the object that is there: its attributes are set.
"""

import base64
import json
import random
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lth.core.code import is_library
from lth.core.parts import attributes_of

SEQUENCES = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
MAPPINGS = {"dict": dict, "OrderedDict": OrderedDict, "Counter": Counter}


class NotPortable(Exception):
    """A value that no file can hold safely; its text names the type."""


def packed(value: Any, name: str) -> dict[str, Tensor]:
    """`value` as tensors: its JSON as bytes under `name`, its tensors under `name|0`, `name|1` and so on.

    Raises NotPortable naming a type that cannot be kept.

    >>> sorted(packed({"steps": [1, torch.zeros(2)]}, "count"))
    ['count', 'count|0']
    """
    tensors: list[Tensor] = []
    try:
        text = json.dumps(_encoded(value, tensors))
    except RecursionError as error:
        raise NotPortable(type(value).__name__) from error
    named = {f"{name}|{number}": tensor.detach().clone() for number, tensor in enumerate(tensors)}
    return {name: torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)} | named


def unpacked(tensors: Mapping[str, Tensor], name: str, present: Any, device: torch.device | str = "cpu") -> Any:
    """The value that `packed` kept under `name`; `present` is what is there now, which objects are put back into.

    A tensor comes where the one lies that is there, else to `device`.

    >>> unpacked(packed((1, 2.5), "count"), "count", None)
    (1, 2.5)
    """
    code = json.loads(bytes(tensors[name].cpu().numpy()).decode())
    count = sum(key.startswith(f"{name}|") for key in tensors)
    return _decoded(code, present, [tensors[f"{name}|{number}"].to(device) for number in range(count)])


def _encoded(value: Any, tensors: list[Tensor]) -> Any:
    kind = type(value)
    if kind in (bool, int, str, type(None)):
        return value
    if kind is float:
        return {"float": value.hex()}
    if kind is complex:
        return {"complex": [value.real.hex(), value.imag.hex()]}
    if kind is bytes:
        return {"bytes": base64.b64encode(value).decode()}
    if kind.__name__ in SEQUENCES and kind is SEQUENCES[kind.__name__]:
        return {kind.__name__: [_encoded(item, tensors) for item in value]}
    if kind is deque:
        return {"deque": [value.maxlen, *(_encoded(item, tensors) for item in value)]}
    if kind.__name__ in MAPPINGS and kind is MAPPINGS[kind.__name__]:
        return {kind.__name__: [[_encoded(key, tensors), _encoded(item, tensors)] for key, item in value.items()]}
    if kind is Tensor and value.layout == torch.strided and not value.is_meta:
        tensors.append(value)
        return {"tensor": len(tensors) - 1}
    if isinstance(value, (np.ndarray, np.generic)) and not value.dtype.hasobject:
        shape, content = list(np.shape(value)), base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"array": [value.dtype.str, shape, content, isinstance(value, np.generic)]}
    if (state := _generator_state(value)) is not None:
        return {"generator": _encoded(state, tensors)}
    if not is_library(kind.__module__) and not isinstance(value, (dict, list, set, Tensor, torch.nn.Module)):
        entries = [[name, _encoded(item, tensors)] for name, item in sorted(attributes_of(value).items())]
        return {"object": [f"{kind.__module__}.{kind.__qualname__}", entries]}
    raise NotPortable(kind.__name__)


def _generator_state(value: Any) -> Any:
    """The state of a generator of random numbers; None for anything else."""
    if isinstance(value, torch.Generator):
        return value.get_state()
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    if isinstance(value, np.random.RandomState):
        return value.get_state()
    if type(value) is random.Random:
        return value.getstate()
    return None


def _set_generator(value: Any, state: Any) -> None:
    if isinstance(value, torch.Generator):
        value.set_state(state.cpu())
    elif isinstance(value, np.random.Generator):
        value.bit_generator.state = state
    elif isinstance(value, np.random.RandomState):
        value.set_state(state)
    elif isinstance(value, random.Random):
        value.setstate(state)


def _decoded(code: Any, present: Any, tensors: list[Tensor]) -> Any:
    if not isinstance(code, dict):
        return code
    ((kind, content),) = code.items()
    if kind == "float":
        return float.fromhex(content)
    if kind == "complex":
        return complex(*map(float.fromhex, content))
    if kind == "bytes":
        return base64.b64decode(content)
    if kind in SEQUENCES:
        return SEQUENCES[kind](_decoded(item, None, tensors) for item in content)
    if kind == "deque":
        return deque((_decoded(item, None, tensors) for item in content[1:]), content[0])
    if kind in MAPPINGS:
        entries = {_decoded(key, None, tensors): _decoded(item, None, tensors) for key, item in content}
        return MAPPINGS[kind](entries)
    if kind == "tensor":
        return tensors[content].to(present.device if isinstance(present, Tensor) else tensors[content].device).clone()
    if kind == "array":
        array = np.frombuffer(base64.b64decode(content[2]), np.dtype(content[0])).reshape(content[1]).copy()
        return array[()] if content[3] else array
    if kind == "generator":
        _set_generator(present, _decoded(content, None, tensors))
    elif present is not None:
        for name, item in content[1]:
            object.__setattr__(present, name, _decoded(item, getattr(present, name, None), tensors))
    return present
