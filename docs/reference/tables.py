"""The page of tables: every CSV file that the package and its experiments declare, and its columns."""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from types import ModuleType

import lth
import lth.experiments
from lth.core.tables import Table
from lth.discovery import sources
from lth.experiment import declared
from lth.report.tables import TRAINING_TABLES
from reference.markdown import plain, table

INTRO = """\
# Tables

Every table is a CSV file in the folder of a job, or of a report. An empty cell means that nothing was measured.
Accuracies, densities and sparsities are fractions between 0 and 1; times are seconds.

The results of another task than plain classification have further columns: `task`, `metrics` (each with the better
direction and its unit; the first is compared) and `decided_by`; for each metric `early_stop_test_<metric>`,
`final_test_<metric>` and `final_train_<metric>`, and of what decides `early_stop_val_<metric>`; curves have
`val_<metric>` and `test_<metric>`.
"""
KINDS = {str: "text", int: "integer", float: "number", bool: "True or False"}


def page() -> str:
    """The page, in Markdown."""
    parts = [INTRO]
    for heading, group in groups().items():
        parts.append(f"## {heading}")
        parts += [part for one in group for part in (f"### {one.name}.csv", meaning(one), columns(one)) if part]
    return "\n\n".join(parts) + "\n"


def groups() -> dict[str, list[Table]]:
    """Heading -> tables: those that every experiment writes, those of each experiment, and those of reports."""
    chosen = {"Every experiment": list(TRAINING_TABLES)}
    for name, experiment in declared(sources()).items():
        chosen[f"lth {name}"] = [one for one in experiment.tables if one not in TRAINING_TABLES]
    known = {one.name for group in chosen.values() for one in group}
    chosen["Reports"] = [one for one in defined() if one.name not in known]
    return {heading: group for heading, group in chosen.items() if group}


def tables() -> list[Table]:
    """Every table on the page."""
    return [one for group in groups().values() for one in group]


def meaning(declared: Table) -> str:
    """What a row of the table is, as a sentence."""
    text = declared.meaning
    if not text:
        return ""
    return text if text.startswith("A row") else f"A row is {text.removesuffix('.')}."


def columns(declared: Table) -> str:
    """The columns of a table, as a table."""
    rows = [[f"`{column.name}`", KINDS[column.kind], column.unit, plain(column.meaning)] for column in declared.columns]
    return table(["column", "type", "unit", "meaning"], rows)


def defined() -> Iterable[Table]:
    """The tables that a module of the package or of its experiments defines, by name."""
    found: dict[str, Table] = {}
    for module in modules():
        for value in vars(module).values():
            if isinstance(value, Table):
                found.setdefault(value.name, value)
    return found.values()


def modules() -> Iterator[ModuleType]:
    """The modules of the package and of its experiments."""
    for package in (lth, lth.experiments):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not info.name.endswith("__main__"):
                yield importlib.import_module(info.name)
