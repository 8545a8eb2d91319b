"""The names of arms, in the order of results, and what they are. Imports no torch: reports are made of names alone."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

from lth.core.errors import SettingError
from lth.core.reading import read_text

GROUP = "lth.arms"
"""The entry points by which installed packages add arms."""
ADDED: dict[str, str] = {}
"""Name -> what it is, of the arms that this process has loaded besides those of lth."""


def check_levels(arm_levels: Iterable[int], levels: int) -> None:
    """Raises SettingError for a level of controls that a search of so many `levels` does not have."""
    for level in arm_levels:
        if not 1 <= level <= levels:
            raise SettingError("arm_levels", level, f"controls run at levels 1 to {levels}")


@cache
def built_in() -> dict[str, str]:
    """Name -> what it is, of the arms that come with lth, in order: read from their docstrings, without an import."""
    module = ast.parse(read_text(Path(__file__).with_name("controls.py")))
    arms = {}
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and any(_is_arm(decorator) for decorator in node.decorator_list):
            arms[node.name.rstrip("_")] = first_line(ast.get_docstring(node))
    return arms


def _is_arm(decorator: ast.expr) -> bool:
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(function, ast.Name) and function.id == "arm"


def first_line(docstring: str | None) -> str:
    """The first line of a docstring as words in the middle of a sentence.

    >>> first_line("The ticket with new biases.")
    'the ticket with new biases'
    """
    first = (docstring or "").strip().split("\n")[0].rstrip(".")
    return first[:1].lower() + first[1:]


def names() -> Iterator[str]:
    """Every name: the arms of lth in order, others that are loaded, then those of installed packages."""
    points = (point.name for point in metadata.entry_points(group=GROUP))
    return iter(dict.fromkeys([*built_in(), *ADDED, *points]))


def meaning(name: str) -> str:
    """What the arm that results call `name` is, in a line; empty for one that is not known here."""
    return built_in().get(name) or ADDED.get(name, "")
