"""The user's functions and classes by what runs: the hash of a file covers what the file says, the rest is listed.

Listed are functions and classes without a file, as in a notebook; those that differ from their file, since it has
changed or since they were set from outside; variables of closures, defaults, and the values of global names that are
not the literals and imports of the file.
"""

import sys
from collections.abc import Callable, Collection, Mapping, Set
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType, ModuleType
from typing import Any

from lth.core.code import (
    cells,
    code_digest,
    functions_of,
    is_library,
    is_library_function,
    names_of,
    user_classes,
)
from lth.core.parts import IMMUTABLE, Part, parts_of, things_of
from lth.store.as_written import AsWritten
from lth.store.sources import Source, source_of

_UNREAD = {
    *("__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__annotations__", "__annotate__"),
    *("__annotations_cache__", "__annotate_func__", "__firstlineno__", "__static_attributes__", "__parameters__"),
    *("__orig_bases__", "__abstractmethods__", "_abc_impl", "__classcell__", "__hash__"),
}
"""What Python puts into a class body itself."""


class CodeReader(AsWritten):
    """Functions and classes that were read, each once.

    read: reads a value at a path. changing: the ids of things that a pass through the network changes. known: the ids
    of what belongs to the network itself. listed: what the files do not say, by name; modules: those of the user that
    the code lies in; mutable: path -> each variable outside of the network that holds something which can change in
    place.
    """

    def __init__(self, read: Callable[[Any, str], Any], changing: Collection[int], known: Set[int]) -> None:
        self._read, self._changing, self._known = read, changing, known
        self.listed: dict[str, Any] = {}
        self.modules: dict[str, None] = {}
        self.mutable: dict[str, Any] = {}
        self._keys: dict[int, str] = {}
        self._visited: set[tuple[int, str]] = set()
        self._alive: list[Any] = []  # so that no id is used again

    def function(self, function: FunctionType) -> dict[str, Any]:
        """The function by its name, after whatever its file does not say of it is listed."""
        library = is_library_function(function)
        if library and _importable(function):
            return {"function": f"{function.__module__}.{function.__qualname__}"}
        if id(function) not in self._keys:
            key = self._key(function)
            self._list(key, self._entry(function, key, None if library else self._source(function.__module__)))
            if not library:
                read, _, attributes = names_of(function.__code__)
                for name in read:
                    if name in function.__globals__:
                        self.variable(function.__globals__, name, attributes)
        return {"function": self._keys[id(function)]}

    def kind(self, kind: type) -> dict[str, Any]:
        """The class by its name, after it and its bases are read; of a library's what was set from outside."""
        if id(kind) not in self._keys:
            for base in kind.__mro__:
                if id(base) not in self._keys and is_library(base.__module__):
                    self._keys[id(base)] = f"{base.__module__}.{base.__qualname__}"
                    set_here = [x for x in functions_of(base) if not is_library_function(x)]
                    self._list(self._keys[id(base)], {x.__name__: self.function(x) for x in set_here})
            for each in user_classes(kind):
                if id(each) not in self._keys:
                    self._body(each)
                    self.kind(type(each))
        return {"class": self._keys[id(kind)]}

    def module(self, module: ModuleType, names: Collection[str] = ()) -> dict[str, Any]:
        """The module by its name, after the values of `names` in it are read; of a library's those set from outside."""
        library = is_library(module.__name__)
        if not library:
            self.modules[module.__name__] = None
        for name in names:
            if not library and name in vars(module):
                self.variable(vars(module), name, names)
            elif (id(module), name) not in self._visited:
                self._visited.add((id(module), name))
                value = vars(module).get(name)
                if isinstance(value, FunctionType) and not is_library_function(value):
                    self._list(f"{module.__name__}:{name}", self.function(value))
                elif isinstance(value, ModuleType):
                    self.module(value, names)
        return {"module": module.__name__}

    def variable(self, namespace: dict[str, Any], name: str, attributes: Collection[str]) -> None:
        """Reads a global variable, unless its file says what it is."""
        value, module = namespace[name], str(namespace.get("__name__"))
        if isinstance(value, ModuleType):
            self.module(value, attributes)
        if (id(namespace), name) in self._visited or is_library(module):
            return
        others = sum(visited == name for _, visited in self._visited)  # of another namespace of that name, say
        self._visited.add((id(namespace), name))
        source, path = self._source(module), f"{module}:{name}" + (f"#{others}" if others else "")
        changes = self._changes(path, value)
        if changes or source is None or not self.as_written(source, name, value, namespace):
            self._list(path, self._held(path, value))

    def parts(self) -> dict[str, list[Part]]:
        """Path -> what can change in place in each variable outside of the network, with its content."""
        return {path: parts_of(value, self._known) for path, value in self.mutable.items()}

    def _list(self, name: str, entry: Any) -> None:
        """Lists what there is under a name that nothing else has."""
        if entry != {}:
            self.listed[name] = entry

    def _key(self, thing: Any) -> str:
        name = f"{thing.__module__}.{thing.__qualname__}"
        number = sum(key == name or key.startswith(f"{name}#") for key in self._keys.values())
        self._keys[id(thing)] = f"{name}#{number}" if number else name
        self._alive.append(thing)
        return self._keys[id(thing)]

    def _source(self, module: str) -> Source | None:
        """The source of a module of the user's; None for one without a file."""
        if module is None or is_library(module):
            return None
        self.modules[module] = None
        return source_of(module)

    def _entry(self, function: FunctionType, key: str, source: Source | None) -> dict[str, Any]:
        """What the file does not say of `function`."""
        entry: dict[str, Any] = {}
        digest = code_digest(function.__code__)
        if source is None or source.codes.get(function.__qualname__) != [digest]:
            entry["code"] = digest
        closure = {name: self._held(f"{key}:{name}", x) for name, x in cells(function) if name != "__class__"}
        if closure:
            entry["closure"] = closure
        defaults = {"": function.__defaults__, **(function.__kwdefaults__ or {})}
        if any(x is not None for x in defaults.values()) and not self.defaults_as_written(function, source):
            entry["defaults"] = {name: self._held(f"{key}({name})", x) for name, x in defaults.items()}
        if vars(function):
            entry["attributes"] = {name: self._held(f"{key}.{name}", x) for name, x in sorted(vars(function).items())}
        return entry

    def _body(self, kind: type) -> None:
        """Lists what the file does not say of the body of a class."""
        key, source = self._key(kind), self._source(kind.__module__)
        namespace: Mapping[str, Any] = vars(sys.modules[kind.__module__]) if kind.__module__ in sys.modules else {}
        body = {
            name: self._held(f"{key}.{name}", value)
            for name, value in sorted(vars(kind).items())
            if name not in _UNREAD
            and not isinstance(value, (MemberDescriptorType, GetSetDescriptorType))
            and not (source and self.as_written(source, f"{kind.__qualname__}.{name}", value, dict(namespace)))
        }
        if source is None:
            body["__bases__"] = [f"{base.__module__}.{base.__qualname__}" for base in kind.__bases__]
        self._list(key, {"body": body} if body else {})

    def _held(self, path: str, value: Any) -> Any:
        """What was read of a variable outside of the network."""
        self._changes(path, value)
        return self._read(value, path)

    def _changes(self, path: str, value: Any) -> bool:
        """Whether a pass through the network changes something in a variable."""
        if isinstance(value, (*IMMUTABLE, type, FunctionType, ModuleType)):
            return False
        things = [id(thing) for thing, _ in things_of(value, self._known)]
        if things:
            self.mutable[path] = value
        return any(thing in self._changing for thing in things)


def _importable(function: FunctionType) -> bool:
    """Whether the function is what its module has under its name."""
    thing: Any = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        thing = getattr(thing, name, None)
    return thing is function
