"""What the files of the user's code say: functions, values and imports, to compare with what runs; helper files.

Nothing is imported or run here. A file that changed since it was imported no longer says what runs: the comparison
finds that, too.
"""

import ast
import hashlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path
from types import CodeType
from typing import Any

from lth.core.code import code_digest, is_library, is_library_file
from lth.core.reading import read_bytes

Definition = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One file. All names are qualified, as `Net.forward`.

    digest: of its bytes. codes: name -> the hashes of the functions of that name; bindings: name -> what it is bound to
    at the top level or in a class body, None where that depends on more; imports: (module, name in it or "", level of
    dots) of every import, wherever it stands.
    """

    digest: str
    codes: Mapping[str, list[str]]
    bindings: Mapping[str, list[ast.AST | None]]
    imports: tuple[tuple[str, str, int], ...]

    def binding(self, name: str) -> ast.AST | None:
        """The one thing that `name` is bound to; None where there is not exactly one."""
        bound = self.bindings.get(name, [])
        return bound[0] if len(bound) == 1 else None


def source_of(module: str) -> Source | None:
    """The source of an imported module by its name; None where there is no file of Python code."""
    path = file_of(module)
    return None if path is None else _parsed(read_bytes(path))


def file_of(module: str) -> Path | None:
    """The file of Python code of a module, imported or not; None where there is none that can be read."""
    there = sys.modules.get(module)
    name = getattr(there, "__file__", None) if there is not None else _located(module)
    path = Path(name) if name else None
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


def _located(module: str) -> str | None:
    """The file that would be imported; no package on the way is."""
    paths: Any = None
    spec = None
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        try:
            spec = PathFinder.find_spec(".".join(parts[:count]), paths)
        except (ImportError, ValueError, AttributeError):
            return None
        if spec is None:
            return None
        paths = spec.submodule_search_locations
    return spec.origin if spec else None


def helpers(modules: list[str]) -> dict[str, str]:
    """Module -> the hash of its file, for the user's modules among `modules` and those that they import, and so on."""
    waiting, digests = list(modules), dict[str, str]()
    while waiting:
        module = waiting.pop()
        if module in digests or is_library(module):
            continue
        path = file_of(module)
        if path is None:
            there = getattr(sys.modules.get(module), "__file__", None)  # an extension module
            if there and Path(there).is_file():
                digests[module] = _digest(read_bytes(there))
            continue
        if is_library_file(str(path)):
            continue
        source = _parsed(read_bytes(path))
        digests[module] = source.digest
        waiting += imported(module, source)
    return digests


def imported(module: str, source: Source) -> Iterator[str]:
    """The modules that `source`, the file of `module`, imports, packages on the way to them too."""
    there = sys.modules.get(module)
    is_package = hasattr(there, "__path__") or ((path := file_of(module)) is not None and path.stem == "__init__")
    package = module if is_package else module.rpartition(".")[0]
    for relative, name, level in source.imports:
        base = absolute(relative, level, package)
        parts = base.split(".")
        yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1) if base)
        if name and file_of(f"{base}.{name}") is not None:
            yield f"{base}.{name}"


def absolute(module: str, level: int, package: str) -> str:
    """The full name of a module that is imported from within `package` with `level` dots before its name.

    >>> absolute("acts", 2, "kit.inner")
    'kit.acts'
    """
    if not level:
        return module
    above = package.split(".")
    return ".".join([*above[: len(above) - level + 1], *([module] if module else [])])


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:20]


@lru_cache(maxsize=256)
def _parsed(content: bytes) -> Source:
    codes: dict[str, list[str]] = {}
    bindings: dict[str, list[ast.AST | None]] = {}
    imports: list[tuple[str, str, int]] = []
    try:
        tree = ast.parse(content)
        _collect_codes(compile(content, "source", "exec", dont_inherit=True), codes)
        _collect_bindings(tree.body, "", bindings)
        imports += [one for node in ast.walk(tree) for one in _imports(node)]
    except (SyntaxError, ValueError, RecursionError):  # then nothing in it is known, and all that runs is listed
        codes, bindings = {}, {}
    return Source(_digest(content), codes, bindings, tuple(dict.fromkeys(imports)))


def _collect_codes(code: CodeType, codes: dict[str, list[str]]) -> None:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            codes.setdefault(constant.co_qualname, []).append(code_digest(constant))
            _collect_codes(constant, codes)


def _collect_bindings(body: list[ast.stmt], prefix: str, bindings: dict[str, list[ast.AST | None]]) -> None:
    """What each name is bound to by the statements of `body`; None for what is bound within others, as in an `if`."""
    for statement in body:
        bound: dict[str, ast.AST | None] = {}
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound[statement.name] = statement
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            bound = {alias.asname or alias.name.split(".")[0]: statement for alias in statement.names}
        elif isinstance(statement, ast.Assign) and all(isinstance(target, ast.Name) for target in statement.targets):
            bound = {target.id: statement.value for target in statement.targets if isinstance(target, ast.Name)}
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            bound = {statement.target.id: statement.value} if statement.value else {}
        else:
            bound = dict.fromkeys(_stored(statement))
        for name, node in bound.items():
            bindings.setdefault(prefix + name, []).append(node)
        if isinstance(statement, ast.ClassDef):
            _collect_bindings(statement.body, f"{prefix}{statement.name}.", bindings)


def _stored(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            yield node.id
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)


def _imports(node: ast.AST) -> Iterator[tuple[str, str, int]]:
    if isinstance(node, ast.Import):
        yield from ((alias.name, "", 0) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from ((node.module or "", alias.name, node.level) for alias in node.names)
    elif isinstance(node, ast.Call):  # importlib.import_module("helper"), __import__("helper")
        function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        first = node.args[0] if node.args else None
        if (
            function in ("import_module", "__import__")
            and isinstance(first, ast.Constant)
            and isinstance(first.value, str)
        ):
            name = first.value.lstrip(".")
            yield name, "", len(first.value) - len(name)
