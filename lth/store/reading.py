"""Values as JSON, without loss: two that differ in anything read differently, and every process reads them alike.

Objects are read by what they hold, or as `pickle` would take them apart, never by an address, the order of a set or a
hash. What cannot be read, such as an open file or a generator, is named.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from types import CodeType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any
from weakref import ReferenceType

import numpy as np
import torch
from torch import Tensor, nn

from lth.core.code import code_digest, is_library
from lth.core.parts import attributes_of
from lth.core.places import attributes, hooks_of
from lth.core.weights import digest
from lth.store.code_reading import CodeReader
from lth.store.objects import CONTAINERS, UnreadableError, container_of, is_opaque, pickled

_DEEP = 40
"""From this depth on a hash stands for what is inside: JSON is read recursively."""
_LONG = 100
"""The length of a path in a message."""


class Reader:
    """Reads values one after another; an object that comes again is read as a reference.

    known: id of an object -> what is written for it, as for the modules and parameters of the network. changing: (id,
    key) of entries of dicts and objects to leave out, (id, None) of other things. unread: path -> type of what could
    not be read.
    """

    def __init__(self, known: Mapping[int, Any], changing: Collection[tuple[int, Any]] = ()) -> None:
        self.unread: dict[str, str] = {}
        self.code = CodeReader(self.read, {number for number, _ in changing}, set(known))
        self._changing = frozenset(changing)
        self._known, self._numbers = dict(known), dict[int, int]()
        self._alive: list[Any] = []  # so that no id is used again
        self._depth = 0

    def read(self, value: Any, path: str, plain: bool = False) -> Any:
        """`value` as JSON.

        plain: as the settings of a library's modules are kept in stores: a tuple is a list, a class its name, and a
        list that comes again is not told from an equal one.
        """
        if value is None or type(value) in (bool, int):
            return value
        if type(value) is str:
            return {"str": value} if _is_number(value) else value
        if type(value) is float:
            return repr(value)
        if id(value) in self._known:
            return self._known[id(value)]
        if (id(value), None) in self._changing:
            return {"changes": True}
        if id(value) in self._numbers:
            return {"again": self._numbers[id(value)]}
        if type(value) not in (tuple, frozenset, bytes, complex) and not (plain and type(value) is list):
            self._numbers[id(value)] = len(self._numbers)
            self._alive.append(value)
        self._depth += 1
        try:
            content = self._composite(value, path, plain)
        except (UnreadableError, RecursionError):
            self.unread[path if len(path) < _LONG else f"{path[:_LONG]}..."] = type(value).__name__
            return {"unread": type(value).__name__}
        finally:
            self._depth -= 1
        deep = self._depth >= _DEEP and self._depth % _DEEP == 0
        return {"deep": hashed(content)} if deep else content

    def _composite(self, value: Any, path: str, plain: bool) -> Any:
        kind = type(value)
        if plain and isinstance(value, type):
            return self.code.kind(value)["class"]
        if kind in (list, tuple) or (plain and kind is torch.Size):
            items = [self.read(item, f"{path}[{number}]", plain) for number, item in enumerate(value)]
            return items if kind is list or plain else {"tuple": items}
        if kind in (dict, MappingProxyType):
            entries = self._steady(value, value.items()).items()
            return {"dict": [[self.read(key, f"{path}[key]"), self.read(x, f"{path}[{key!r}]")] for key, x in entries]}
        if kind in (set, frozenset):
            return {kind.__name__: sorted(json.dumps(self.read(item, f"{path}[item]")) for item in value)}
        if kind is complex:
            return {"complex": repr(value)}
        if kind in (bytes, bytearray):
            return {kind.__name__: hashlib.sha256(value).hexdigest() if len(value) > 64 else value.hex()}
        for types, read in self._readers():
            if isinstance(value, types):
                return read(value, path)
        return self._object(value, path)

    def _readers(self) -> tuple[tuple[Any, Callable[[Any, str], Any]], ...]:
        return (
            (nn.Module, self._network),
            (Tensor, self._tensor),
            ((np.ndarray, np.generic), self._array),
            (type, lambda x, path: self.code.kind(x)),
            (FunctionType, lambda x, path: self.code.function(x)),
            (ModuleType, lambda x, path: self.code.module(x)),
            (MethodType, lambda x, path: {"method": self.read(x.__func__, path), "of": self.read(x.__self__, path)}),
            ((staticmethod, classmethod), lambda x, path: {type(x).__name__: self.read(x.__func__, path)}),
            (functools.cached_property, lambda x, path: {"cached_property": self.read(x.func, path)}),
            (property, lambda x, path: {"property": [self.read(f, path) for f in (x.fget, x.fset, x.fdel)]}),
            (CodeType, lambda x, path: {"code": code_digest(x)}),
            (ReferenceType, lambda x, path: {"weak": self.read(x(), path)}),
            (torch.Generator, lambda x, path: {"generator": digest({"": x.get_state()}), "device": str(x.device)}),
            (memoryview, lambda x, path: {"memory": [x.format, [*x.shape], self.read(x.tobytes(), path)]}),
            (np.ufunc, self._ufunc),
            (np.dtype, lambda x, path: {"dtype": x.descr if x.names else x.str}),
            ((torch.dtype, torch.device, torch.layout, torch.memory_format), lambda x, path: {"torch": str(x)}),
        )

    def _tensor(self, tensor: Tensor, path: str) -> Any:
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_nested:
            return self._object(tensor, path)
        shape = {"shape": [*tensor.shape], "dtype": str(tensor.dtype)}
        content: Any = shape if tensor.is_meta else digest({"": tensor})
        learns = tensor.requires_grad and tensor.is_leaf
        extra = {key: self.read(x, f"{path}.{key}") for key, x in sorted(vars(tensor).items())} if vars(tensor) else {}
        if type(tensor) is Tensor and not learns and not extra:
            return content
        return {"tensor": content, "class": self.code.kind(type(tensor))["class"], "learns": learns, "has": extra}

    def _array(self, array: Any, path: str) -> Any:
        if array.dtype.hasobject:
            return {"array": [*np.shape(array)], "items": self.read(array.tolist(), path)}
        content = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:32]
        kind = "array" if isinstance(array, np.ndarray) else "scalar"
        dtype = str(array.dtype.descr if array.dtype.names else array.dtype.str)
        entry = {kind: content, "shape": [*np.shape(array)], "dtype": dtype}
        return entry if type(array) is np.ndarray or kind == "scalar" else entry | {"object": self._object(array, path)}

    def _ufunc(self, function: Any, path: str) -> Any:
        name = str(function.__name__)
        if getattr(np, name, None) is not function:
            raise UnreadableError
        return {"ufunc": name}

    def _network(self, network: nn.Module, path: str) -> Any:
        """A network that is no module of the one that is read, with its tensors."""
        modules = list(network.named_modules())
        self._known |= {id(module): {"module": f"{path}: {name}"} for name, module in modules}
        tensors = {name: digest({"": x}) for name, x in (*network.named_parameters(), *network.named_buffers())}
        read = []
        for name, module in modules:
            inner = f"{path}.{name}"
            read.append([name, *self.module(module, inner), [self.read(hook, inner) for hook in hooks_of(module)]])
        return {"network": read, "tensors": tensors}

    def module(self, module: nn.Module, path: str, without: Collection[str] = ()) -> list[Any]:
        """[class, settings] of a module of a network; settings are its attributes by name, without some."""
        kind = type(module)
        self.code.kind(kind)
        library, prefix = is_library(kind.__module__), f"{path}." if path else ""
        settings = sorted(attributes(module).items())
        settings = [(name, value) for name, value in settings if f"{prefix}{name}" not in without]
        read = [[name, self.read(value, f"{prefix}{name}", plain=library)] for name, value in settings]
        return [f"{kind.__module__}.{kind.__qualname__}", read]

    def _object(self, value: Any, path: str) -> Any:
        kind = type(value)
        if callable(value) and not hasattr(value, "__dict__") and hasattr(value, "__qualname__"):
            return self._built_in(value, path)
        entry = {"object": self.code.kind(kind)["class"]}
        container, taken_apart = container_of(kind), is_opaque(kind)
        if taken_apart:
            entry["pickled"] = self._pickled(value, path)
        elif container:
            held = CONTAINERS[container](value)
            entry["holds"] = self.read(self._steady(value, held.items()) if container is dict else held, path)
        if not taken_apart or not is_library(kind.__module__):
            attributes = sorted(self._steady(value, attributes_of(value).items()).items())
            entry["has"] = [[name, self.read(item, f"{path}.{name}")] for name, item in attributes]
        return entry

    def _steady(self, value: Any, entries: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
        """Those of the `entries` of a dict or object that no pass through the network changes."""
        return {key: item for key, item in entries if (id(value), key) not in self._changing}

    def _built_in(self, function: Any, path: str) -> Any:
        name = f"{getattr(function, '__module__', None)}.{function.__qualname__}"
        owner = getattr(function, "__self__", None)
        if owner is None or isinstance(owner, (type, ModuleType)):
            return name
        return {"method": name, "of": self.read(owner, path)}

    def _pickled(self, value: Any, path: str) -> Any:
        """What `pickle` would write of an object of a library: what to call with which arguments, and its content."""
        parts = pickled(value)
        if isinstance(parts, str):
            inner: Any = getattr(value, "__wrapped__", None)  # a function with a cache
            module = getattr(value, "__module__", None) or type(value).__module__
            return {"global": f"{module}.{parts}"} | ({"wraps": self.read(inner, path)} if inner else {})
        call, arguments, *content = parts
        content = [list(x) if number == 1 and x is not None else x for number, x in enumerate(content)]
        content[2:3] = [self._steady(value, x) if x is not None else None for x in content[2:3]]
        return [self.read(x, path) for x in (call, arguments, *content)]


def hashed(content: Any) -> str:
    """A hash of what was read, 20 hexadecimal digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:20]


def _is_number(text: str) -> bool:
    """Whether a text could be taken for a number that was written down."""
    try:
        float(text)
    except ValueError:
        return False
    return True
