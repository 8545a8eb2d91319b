"""What the searches for tickets took, read from the jobs' own tables."""

import os
from collections.abc import Sequence
from pathlib import Path

from lth.compression.tables import SEARCH
from lth.core.tables import Column, Row, Table, head_of

PLACE = Table(
    "search",
    (
        Column("setting", str, required=True),
        Column("seed", int, required=True),
        Column("level", int, required=True, at_least=0),
        *SEARCH.columns,
    ),
)
FILES = ("table.csv", "search.csv")
"""The tables that say what a search took."""


def searches(folders: Sequence[Path]) -> dict[tuple[str, int], list[Row]]:
    """(setting, level) -> what the search took, a row a seed, from the jobs' tables; of two of a seed the later."""
    by_seed: dict[tuple[str, int, int], Row] = {}
    for path in (folder / name for folder in folders for name in FILES):
        for row in PLACE.read(path) if _has_search(path) else ():
            by_seed[row["setting"], row["level"], row["seed"]] = row
    by_place: dict[tuple[str, int], list[Row]] = {}
    for (setting, level, _), row in by_seed.items():
        by_place.setdefault((setting, level), []).append(row)
    return by_place


def _has_search(path: Path) -> bool:
    """Whether there is a table of a search at `path`: other experiments have a table.csv of their own."""
    return os.path.lexists(path) and set(SEARCH) <= set(head_of(path))
