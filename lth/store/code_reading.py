"""The user's functions and classes by what runs: the hash of a file covers what the file says, the rest is listed.

Listed are functions and classes without a file, as in a notebook; those that differ from their file, since it has
changed or since they were set from outside; variables of closures, defaults, and the values of global names that are
not the literals and imports of the file.
"""

import ast
import builtins
from collections.abc import Callable, Collection
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType, ModuleType
from typing import Any

from lth.core.code import cells, code_digest, is_library, is_library_function, names_of, user_classes
from lth.core.parts import IMMUTABLE, parts_of
from lth.store.sources import Source, source_of

_UNREAD = {
    *("__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__annotations__", "__annotate__"),
    *("__annotations_cache__", "__annotate_func__", "__firstlineno__", "__static_attributes__", "__parameters__"),
    *("__orig_bases__", "__abstractmethods__", "_abc_impl", "__classcell__", "__hash__"),
}
"""What Python puts into a class body itself."""
_WRAPPERS = {"staticmethod": staticmethod, "classmethod": classmethod, "property": property}


class CodeReader:
    """Functions and classes that were read, each once.

    read: reads a value at a path. changing: the ids of things that a pass through the network changes. listed: what
    the files do not say, by name; modules: those of the user that the code lies in; mutable: path -> each variable
    outside of the network that holds something which can change in place.
    """

    def __init__(self, read: Callable[[Any, str], Any], changing: Collection[int]) -> None:
        self._read, self._changing = read, changing
        self.listed: dict[str, Any] = {}
        self.modules: dict[str, None] = {}
        self.mutable: dict[str, Any] = {}
        self._keys: dict[int, str] = {}
        self._visited: set[str] = set()
        self._alive: list[Any] = []  # so that no id is used again

    def function(self, function: FunctionType) -> dict[str, Any]:
        """The function by its name, after whatever its file does not say of it is listed."""
        if is_library_function(function) and _importable(function):
            return {"function": f"{function.__module__}.{function.__qualname__}"}
        if id(function) not in self._keys:
            key = self._key(function)
            source = self._source(function.__module__, function.__globals__)
            entry = self._entry(function, key, None if is_library_function(function) else source)
            if entry:
                self.listed[key] = entry
            if not is_library_function(function):
                self._globals_of(function)
        return {"function": self._keys[id(function)]}

    def kind(self, kind: type) -> dict[str, Any]:
        """The class by its name, after it and its bases are read."""
        for each in user_classes(kind):
            if id(each) in self._keys:
                continue
            key = self._key(each)
            source = self._source(each.__module__)
            body = {
                name: self._variable(f"{key}.{name}", value)
                for name, value in vars(each).items()
                if name not in _UNREAD
                and not isinstance(value, (MemberDescriptorType, GetSetDescriptorType))
                and not (source and self._as_written(source, f"{each.__qualname__}.{name}", value, each))
            }
            if source is None:
                body["__bases__"] = [f"{base.__module__}.{base.__qualname__}" for base in each.__bases__]
            if body:
                self.listed[key] = {"body": dict(sorted(body.items()))}
        return {"class": self._keys.get(id(kind), f"{kind.__module__}.{kind.__qualname__}")}

    def module(self, module: ModuleType, names: Collection[str] = ()) -> dict[str, Any]:
        """The module by its name; of the user's, the values of `names` in it are read."""
        if not is_library(module.__name__):
            self.modules[module.__name__] = None
            for name in names:
                if name in vars(module):
                    self._global(vars(module), name, names)
        return {"module": module.__name__}

    def _key(self, thing: Any) -> str:
        name = f"{thing.__module__}.{thing.__qualname__}"
        number = sum(key == name or key.startswith(f"{name}#") for key in self._keys.values())
        self._keys[id(thing)] = f"{name}#{number}" if number else name
        self._alive.append(thing)
        return self._keys[id(thing)]

    def _source(self, module: str, namespace: dict[str, Any] | None = None) -> Source | None:
        """The source of a module of the user's; None for one without a file, and where another one has its name now."""
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
        closure = {name: self._variable(f"{key}:{name}", x) for name, x in cells(function) if name != "__class__"}
        if closure:
            entry["closure"] = closure
        defaults = {"": function.__defaults__, **(function.__kwdefaults__ or {})}
        if any(x is not None for x in defaults.values()) and not self._defaults_as_written(function, source):
            entry["defaults"] = {name: self._variable(f"{key}({name})", x) for name, x in defaults.items()}
        if vars(function):
            entry["attributes"] = {
                name: self._variable(f"{key}.{name}", x) for name, x in sorted(vars(function).items())
            }
        return entry

    def _globals_of(self, function: FunctionType) -> None:
        read, _, attributes = names_of(function.__code__)
        for name in read:
            if name in function.__globals__:
                self._global(function.__globals__, name, attributes)

    def _global(self, namespace: dict[str, Any], name: str, attributes: Collection[str]) -> None:
        """Reads a global variable, unless its file says what it is."""
        value, module = namespace[name], str(namespace.get("__name__"))
        if isinstance(value, ModuleType):
            self.module(value, attributes)
        path = f"{module}:{name}"
        if path in self._visited or is_library(module):
            return
        self._visited.add(path)
        source = self._source(module)
        changes = self._changes(path, value)
        if changes or source is None or not self._as_written(source, name, value, None, namespace):
            self.listed[path] = self._variable(path, value)

    def _variable(self, path: str, value: Any) -> Any:
        """What was read of a variable outside of the network."""
        self._changes(path, value)
        return self._read(value, path)

    def _changes(self, path: str, value: Any) -> bool:
        """Whether a pass through the network changes something in a variable."""
        if isinstance(value, (*IMMUTABLE, type, FunctionType, ModuleType)):
            return False
        parts = parts_of(value)
        if parts:
            self.mutable[path] = value
        return any(id(part.thing) in self._changing for part in parts)

    def _as_written(
        self, source: Source, name: str, value: Any, owner: type | None, namespace: dict[str, Any] | None = None
    ) -> bool:
        """Whether `value` is what the file binds `name` to; functions and classes among it are then read."""
        node = source.binding(name)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return self._function_as_written(node, name, value)
        if isinstance(node, ast.ClassDef):
            fits = isinstance(value, type) and value.__qualname__ == name and not node.decorator_list
            if fits:
                self.kind(value)
            return fits
        if namespace is None and owner is not None:
            namespace = getattr(__import__("sys").modules.get(owner.__module__), "__dict__", {})
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            return self._import_as_written(node, name, value, namespace or {})
        return node is not None and self._expression_as_written(node, value, namespace or {})

    def _function_as_written(self, node: ast.FunctionDef | ast.AsyncFunctionDef, name: str, value: Any) -> bool:
        decorators = [getattr(x, "id", "") for x in node.decorator_list]
        if decorators:
            wrapper = _WRAPPERS.get(decorators[0]) if len(decorators) == 1 else None
            if wrapper is None or type(value) is not wrapper:
                return False
            value = getattr(value, "fget" if wrapper is property else "__func__")
        fits = isinstance(value, FunctionType) and value.__qualname__ == name
        if fits:
            self.function(value)
        return fits

    def _import_as_written(self, node: ast.Import | ast.ImportFrom, name: str, value: Any, namespace: Any) -> bool:
        import sys

        alias = next(x for x in node.names if (x.asname or x.name.split(".")[0]) == name)
        if isinstance(node, ast.Import):
            return value is sys.modules.get(alias.name if alias.asname else alias.name.split(".")[0])
        base = node.module or ""
        if node.level:
            package = str(namespace.get("__package__") or "").split(".")
            base = ".".join([*package[: len(package) - node.level + 1], *([base] if base else [])])
        module = sys.modules.get(base)
        if module is None or vars(module).get(alias.name) is not value:
            return value is sys.modules.get(f"{base}.{alias.name}")
        if not is_library(base):
            self._global(vars(module), alias.name, ())
        return True

    def _expression_as_written(self, node: ast.AST, value: Any, namespace: dict[str, Any]) -> bool:
        """Whether `value` is what the expression says: a literal, or a name such as `functional.relu`."""
        try:
            literal = ast.literal_eval(node)
            return type(literal) is type(value) and repr(literal) == repr(value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            pass
        names: list[str] = []
        while isinstance(node, ast.Attribute):
            names.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return False
        there = namespace.get(node.id, getattr(builtins, node.id, None))
        if node.id in namespace:
            self._global(namespace, node.id, names)
        for name in names:
            there = getattr(there, name, None)
        return there is value and value is not None

    def _defaults_as_written(self, function: FunctionType, source: Source | None) -> bool:
        node = source.binding(function.__qualname__) if source else None
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return False
        arguments, values = node.args, [*(function.__defaults__ or ())]
        nodes: list[ast.expr] = [*arguments.defaults]
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            if (default is None) != (argument.arg not in (function.__kwdefaults__ or {})):
                return False
            if default is not None:
                nodes.append(default)
                values.append((function.__kwdefaults__ or {})[argument.arg])
        return len(nodes) == len(values) and all(
            self._expression_as_written(x, value, function.__globals__) for x, value in zip(nodes, values, strict=True)
        )


def _importable(function: FunctionType) -> bool:
    """Whether the function is what its module has under its name."""
    import sys

    thing: Any = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        thing = getattr(thing, name, None)
    return thing is function
