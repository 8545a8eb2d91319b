"""The page of tables: every CSV file that the package declares, and its columns."""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import lth
import lth.experiments
from lth.core.tables import Table
from reference.markdown import sentence, table

INTRO = """\
# Tables

Every table is a CSV file in the folder of a job, or of a report. An empty cell means that nothing was measured.
Accuracies, densities and sparsities are fractions between 0 and 1; times are seconds.
"""
KINDS = {str: "text", int: "integer", float: "number", bool: "True or False"}


def page() -> str:
    """The page, in Markdown."""
    parts = [INTRO]
    for declared in tables():
        rows = [
            [f"`{column.name}`", KINDS[column.kind], column.unit, sentence(column.meaning)]
            for column in declared.columns
        ]
        parts.append(f"## {declared.name}.csv")
        if declared.meaning:
            parts.append(f"A row is {declared.meaning}.")
        parts.append(table(["column", "type", "unit", "meaning"], rows))
    return "\n\n".join(parts) + "\n"


def tables() -> list[Table]:
    """Every table that a module of the package or of its experiments declares, once."""
    found: dict[int, Table] = {}
    for module in modules():
        for value in vars(module).values():
            for candidate in value if isinstance(value, tuple) else (value,):
                if isinstance(candidate, Table):
                    found[id(candidate)] = candidate
    return list(found.values())


def modules() -> Iterator[ModuleType]:
    """The modules of the package and of its experiments."""
    for package in (lth, lth.experiments):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(info.name)
