"""Whether a value is what the file of its module says that it is: a function, class, import, literal or name in it."""

import ast
import builtins
import sys
from collections.abc import Collection
from types import FunctionType, ModuleType
from typing import Any

from lth.core.code import is_library
from lth.store.sources import Source, absolute

_WRAPPERS = {"staticmethod": staticmethod, "classmethod": classmethod, "property": property}


class AsWritten:
    """Compares values with files, and follows what they are made of.

    Who derives from it says what is done with each function, class and global variable that a value leads to.
    """

    def function(self, function: FunctionType) -> Any:
        """Takes a function that a value leads to."""
        raise NotImplementedError

    def kind(self, kind: type) -> Any:
        """Takes a class that a value leads to."""
        raise NotImplementedError

    def variable(self, namespace: dict[str, Any], name: str, attributes: Collection[str]) -> None:
        """Takes a global variable that a value leads to, and names of attributes of it."""
        raise NotImplementedError

    def as_written(self, source: Source, name: str, value: Any, namespace: dict[str, Any]) -> bool:
        """Whether `value` is the one thing that the file binds `name` to, in the module of that namespace."""
        node = source.binding(name)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return self._function(node, name, value)
        if isinstance(node, ast.ClassDef):
            fits = isinstance(value, type) and value.__qualname__ == name and not node.decorator_list
            if fits:
                self.kind(value)
            return fits
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            return self._import(node, name, value, namespace)
        return node is not None and self._expression(node, value, namespace)

    def defaults_as_written(self, function: FunctionType, source: Source | None) -> bool:
        """Whether the defaults of the arguments of `function` are those that the file says."""
        node = source.binding(function.__qualname__) if source else None
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return False
        by_name = function.__kwdefaults__ or {}
        nodes: list[ast.expr | None] = [*node.args.defaults, *node.args.kw_defaults]
        values = [*(function.__defaults__ or ()), *(by_name.get(x.arg, _NONE) for x in node.args.kwonlyargs)]
        return len(nodes) == len(values) and all(
            value is _NONE if node is None else self._expression(node, value, function.__globals__)
            for node, value in zip(nodes, values, strict=True)
        )

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, name: str, value: Any) -> bool:
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

    def _import(self, node: ast.Import | ast.ImportFrom, name: str, value: Any, namespace: dict[str, Any]) -> bool:
        alias = next(x for x in node.names if (x.asname or x.name.split(".")[0]) == name)
        if isinstance(node, ast.Import):
            return value is sys.modules.get(alias.name if alias.asname else alias.name.split(".")[0])
        base = absolute(node.module or "", node.level, str(namespace.get("__package__") or ""))
        module = sys.modules.get(base)
        if module is None or vars(module).get(alias.name) is not value:
            return isinstance(value, ModuleType) and value is sys.modules.get(f"{base}.{alias.name}")
        if not is_library(base):
            self.variable(vars(module), alias.name, ())
        return True

    def _expression(self, node: ast.AST, value: Any, namespace: dict[str, Any]) -> bool:
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
            self.variable(namespace, node.id, names)
        for name in names:
            there = getattr(there, name, None)
        return there is value and value is not None


_NONE = object()
