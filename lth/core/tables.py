"""Tables, declared once: what a column is called, holds and means. Reading, writing and documentation follow from it.

Imports no torch.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from lth.core.errors import LotteryError
from lth.core.files import write_csv

Row = dict[str, Any]
"""Column name -> value; None where nothing was measured."""


@dataclass(frozen=True)
class Column:
    """A column of a table: its values are of type `kind` (str, int, float or bool), or None.

    unit: such as `0..1`, `points`, `nats`, `s`, `iterations`; empty for names and pure numbers. meaning: one sentence
    or phrase for the documentation. required: an empty cell is an error when the table is read. added: results written
    before the column was declared lack it; it is then None.

    >>> Column("density", float, "0..1", "kept / prunable weights", required=True).parse("0.5")
    0.5
    """

    name: str
    kind: type = float
    unit: str = ""
    meaning: str = ""
    required: bool = False
    added: bool = False

    def parse(self, text: str) -> Any:
        """The value of a cell; None for an empty one. Raises ValueError where it is not of the column's kind."""
        if text == "":
            return None
        if self.kind is bool:
            if text not in ("True", "False"):
                raise ValueError(f"{text!r} is neither True nor False")
            return text == "True"
        return self.kind(text)


@dataclass(frozen=True)
class Table:
    """A table of results: `<name>.csv` in a job's folder.

    key: the columns that tell the rows of one replicate apart; rows of several replicates with the same key are
    measurements of the same thing. meaning: what a row is. always: written even where it has no rows.

    >>> table = Table("barriers", (Column("level", int), Column("barrier", float, "nats")), key=("level",))
    >>> table.row(level=3)
    {'level': 3, 'barrier': None}
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    meaning: str = ""
    always: bool = True

    @cached_property
    def names(self) -> list[str]:
        """The names of the columns, in order."""
        return [column.name for column in self.columns]

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """Name -> column."""
        return {column.name: column for column in self.columns}

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def plus(self, *columns: Column) -> Self:
        """This table with further columns."""
        return replace(self, columns=(*self.columns, *columns))

    def row(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> Row:
        """A row with `values`, None elsewhere; KeyError for a column that is not declared."""
        given = {**(values or {}), **more}
        if unknown := sorted(given.keys() - self.by_name.keys()):
            raise KeyError(f"the table {self.name} declares no column {', '.join(unknown)}")
        return dict.fromkeys(self.names) | given

    def columns_of(self, row: Mapping[str, Any]) -> Row:
        """What `row` has in the table's columns, without further keys."""
        return {name: row[name] for name in self.names}

    def path(self, folder: Path) -> Path:
        """Where the table lies in a job's `folder`."""
        return folder / f"{self.name}.csv"

    def write(self, folder: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
        """Writes `rows` to the table's file in `folder`, whole or not at all; where it is."""
        write_csv(self.path(folder), self.names, rows)
        return self.path(folder)

    def read(self, path: Path, columns: Sequence[str] | None = None) -> list[Row]:
        """The rows of the CSV file `path`, every cell of its column's kind; `columns`: some of them (None: all).

        Raises LotteryError naming the file, and the line, where it cannot be read, lacks a column that is not `added`,
        has a cell of another kind, or an empty one where a value is required. Columns that are not declared are left
        out.
        """
        wanted = [self.by_name[name] for name in columns] if columns is not None else list(self.columns)
        try:
            with path.open(encoding="utf-8", newline="") as file:
                reader = csv.DictReader(file, strict=True)
                if missing := missing_columns(wanted, reader.fieldnames or ()):
                    raise LotteryError(f"{path}: has no column {', '.join(missing)}")
                return [parse_row(f"{path}, line {reader.line_num}", cells, wanted) for cells in reader]
        except OSError as error:
            raise LotteryError(f"{path}: {error.strerror}") from error
        except (csv.Error, UnicodeDecodeError) as error:
            raise LotteryError(f"{path}: is not a CSV table ({error})") from error


def missing_columns(columns: Iterable[Column], names: Iterable[str]) -> list[str]:
    """Those of `columns` that should be among `names` and are not."""
    there = set(names)
    return [column.name for column in columns if not column.added and column.name not in there]


def parse_row(where: str, cells: Mapping[Any, Any], columns: Sequence[Column]) -> Row:
    """The values of `cells` by the declared `columns`; LotteryError that begins with `where` for a bad one."""
    if None in cells or None in cells.values():
        raise LotteryError(f"{where}: has not as many cells as the head of the table")
    row: Row = {}
    for column in columns:
        try:
            row[column.name] = column.parse(cells.get(column.name, "") if column.added else cells[column.name])
        except ValueError as error:
            raise LotteryError(f"{where}: {column.name}: {error}") from error
    if empty := [column.name for column in columns if column.required and row[column.name] is None]:
        raise LotteryError(f"{where}: {', '.join(empty)} is empty")
    return row
