"""Python code that a network reaches: whose it is, which names it reads, and a hash of what it does."""

import dis
import hashlib
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

_PACKAGES = ("torch", "lth")


@cache
def _library_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple(str(Path(paths[key]).resolve()) + "/" for key in ("stdlib", "platstdlib"))


@lru_cache(maxsize=4096)
def is_library_file(name: str) -> bool:
    """Whether a file belongs to Python, to an installed package or to lth."""
    path = Path(name).resolve()
    if {"site-packages", "dist-packages"} & set(path.parts):
        return True
    ours = (Path(__file__).resolve().parents[1],)
    return str(path).startswith(_library_folders()) or any(folder in path.parents for folder in ours)


def is_library(module: str | None) -> bool:
    """Whether the module of that name belongs to Python, to an installed package or to lth, and not to the user.

    >>> is_library("torch.nn"), is_library("json"), is_library("my_net")
    (True, True, False)
    """
    top = (module or "").split(".")[0]
    if top in _PACKAGES or top == "builtins" or top.startswith("_cython_"):
        return True
    file = getattr(sys.modules.get(module or ""), "__file__", None)
    if file:
        return is_library_file(file)
    return top in sys.stdlib_module_names and top != "__main__"


def is_library_function(function: FunctionType) -> bool:
    """Whether the code of `function` lies in a library; one that a library has generated counts as its module's."""
    file = function.__code__.co_filename
    return is_library(function.__module__) if file.startswith("<") else is_library_file(file)


def user_classes(kind: type) -> list[type]:
    """The classes of the user among `kind` and its bases."""
    return [base for base in kind.__mro__ if not is_library(base.__module__)]


def code_digest(code: CodeType) -> str:
    """A hash of what `code` does, wherever it lies: instructions, constants, names, arguments, handlers of errors."""
    constants = [code_digest(x) if isinstance(x, CodeType) else _constant(x) for x in code.co_consts]
    arguments = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    text = f"{code.co_code.hex()} {code.co_exceptiontable.hex()} {arguments} {names} {constants}"
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _constant(value: Any) -> str:
    """A constant of code as text; a set has no order."""
    if isinstance(value, frozenset):
        return f"frozenset({sorted(map(_constant, value))})"
    if isinstance(value, tuple):
        return f"({', '.join(map(_constant, value))})"
    return f"{type(value).__name__} {value!r}"


@lru_cache(maxsize=4096)
def names_of(code: CodeType) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The names of globals that `code` reads, of globals that it sets, and of attributes, those of inner code too."""
    read: dict[str, None] = {}
    written: dict[str, None] = {}
    attributes: dict[str, None] = {}
    for instruction in dis.get_instructions(code):
        if "GLOBAL" in instruction.opname or instruction.opname == "LOAD_NAME":
            (read if instruction.opname.startswith("LOAD") else written)[instruction.argval] = None
        elif "ATTR" in instruction.opname or "METHOD" in instruction.opname:
            attributes[str(instruction.argval)] = None
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            for into, names in zip((read, written, attributes), names_of(constant), strict=True):
                into.update(dict.fromkeys(names))
    return tuple(read), tuple(written), tuple(attributes)


def unwrapped(value: Any) -> list[FunctionType]:
    """The functions in a value of a class body: a function itself, those of a property, class or static method."""
    parts = [getattr(value, name, None) for name in ("fget", "fset", "fdel", "__func__", "func")]
    return [part for part in (value, *parts) if isinstance(part, FunctionType)]


def functions_of(kind: type) -> list[FunctionType]:
    """The functions that the body of `kind` holds."""
    return [function for value in vars(kind).values() for function in unwrapped(value)]


def reached(functions: Iterable[FunctionType]) -> Iterator[FunctionType]:
    """The user's functions among `functions`, and those that they name or hold in closures, each once."""
    waiting, visited = list(functions), set[int]()
    while waiting:
        function = waiting.pop()
        if id(function) in visited or is_library_function(function):
            continue
        visited.add(id(function))
        yield function
        read, _, attributes = names_of(function.__code__)
        values = [function.__globals__.get(name) for name in read]
        values += [vars(value).get(name) for value in values if isinstance(value, ModuleType) for name in attributes]
        values += [content for _, content in cells(function)]
        waiting += [inner for value in values for inner in unwrapped(value)]
        waiting += [
            inner
            for value in values
            if isinstance(value, type)
            for x in user_classes(value)
            for inner in functions_of(x)
        ]


def cells(function: FunctionType) -> list[tuple[str, Any]]:
    """(name, value) of the variables that `function` has from around it; those that are not set yet are left out."""
    contents = []
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            contents.append((name, cell.cell_contents))
        except ValueError:
            continue
    return contents
