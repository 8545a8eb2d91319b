"""Tables, declared once: what a column is called, holds and means. Reading, writing and documentation follow from it.

Imports no torch.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from lth.core.cells import PARSERS, csv_rows
from lth.core.digests import announce, say_if_changed
from lth.core.errors import LotteryError
from lth.core.files import csv_bytes, write_bytes
from lth.core.reading import read_bytes
from lth.core.shown import brief

Row = dict[str, Any]
"""Column name -> value; None where nothing was measured."""

NOT_BELOW_0 = ("iterations", "epochs", "examples", "weights", "bits", "bytes", "FLOPs", "s")
"""Units that count or measure something, of which there is never less than nothing."""
RANGES = {"0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0)} | dict.fromkeys(NOT_BELOW_0, (0.0, math.inf))
"""Unit -> the lowest and highest value that it implies; -1..1 is that of a difference of shares."""
LONGEST = 10_000
"""Characters of a text, where its column says nothing else."""


@dataclass(frozen=True)
class Column:
    """A column of a table: its values are of type `kind` (str, int, float or bool), or None.

    unit: such as `0..1`, `points`, `nats`, `s`, `iterations`; empty for names and pure numbers. meaning: one sentence
    or phrase for the documentation. required: an empty cell is an error when the table is read. added: results written
    before the column was declared lack it; it is then None. at_least, at_most: the range of its numbers; of a text,
    at_most is how many characters it has. None: as the unit says, 0 to 1 for `0..1`, at least 0 for what is counted.
    finite: False where it may hold NaN and infinity, as a gradient norm does. words: all that a text may be; none: any.

    >>> Column("density", float, "0..1", "kept / prunable weights", required=True).parse("0.5")
    0.5
    >>> Column("level", int, at_least=0).parse("-1")
    Traceback (most recent call last):
    ValueError: must be at least 0
    """

    name: str
    kind: type = float
    unit: str = ""
    meaning: str = ""
    required: bool = False
    added: bool = False
    at_least: float | None = None
    at_most: float | None = None
    finite: bool = True
    words: tuple[str, ...] = ()

    @cached_property
    def limits(self) -> tuple[float, float]:
        """The lowest and highest value, or length of a text."""
        unit = RANGES.get(self.unit, (-math.inf, math.inf))
        low, high = (0.0, LONGEST) if self.kind is str else unit
        return low if self.at_least is None else self.at_least, high if self.at_most is None else self.at_most

    def parse(self, text: str) -> Any:
        """The value of a cell; None for an empty one. Raises ValueError where it is not of the column's kind or range.

        The error says what is wrong with the value, without naming it.
        """
        if text == "":
            return None
        value = PARSERS[self.kind](text)
        if self.words and value not in self.words:
            raise ValueError(f"must be {' or '.join(self.words)}")
        low, high = self.limits
        if self.kind is str:
            if len(value) > high:
                raise ValueError(f"is longer than {high:,.0f} characters")
        elif not math.isfinite(value):
            if self.finite:
                raise ValueError(f"must be a number{self._range(' ')}")
        elif not low <= value <= high:
            raise ValueError(f"must be {self._range()}")
        return value

    def _range(self, before: str = "") -> str:
        """The range in words, after `before`; empty where there is none."""
        low, high = self.limits
        bounds = [f"{word} {bound:g}" for word, bound in (("at least", low), ("at most", high)) if math.isfinite(bound)]
        text = f"from {low:g} to {high:g}" if len(bounds) == 2 else "".join(bounds)
        return before + text if text else ""


@dataclass(frozen=True)
class Rule:
    """What the values of some columns keep between them in every row; rows where one of them is None keep it.

    >>> fits = Rule(("kept", "size"), lambda kept, size: kept <= size, "kept must be at most size")
    >>> fits.broken({"kept": 3, "size": 2}), fits.broken({"kept": None, "size": 2})
    (True, False)
    """

    columns: tuple[str, ...]
    holds: Callable[..., bool]
    meaning: str

    def broken(self, row: Mapping[str, Any]) -> bool:
        """Whether `row` has all of the columns and breaks the rule."""
        values = [row.get(name) for name in self.columns]
        return None not in values and not self.holds(*values)


@dataclass(frozen=True)
class Table:
    """A table of results: `<name>.csv` in a job's folder.

    key: the columns that tell the rows of one replicate apart; rows of several replicates with the same key are
    measurements of the same thing. meaning: what a row is. always: written even where it has no rows. rules: what the
    cells of a row keep between them.

    >>> table = Table("barriers", (Column("level", int), Column("barrier", float, "nats")), key=("level",))
    >>> table.row(level=3)
    {'level': 3, 'barrier': None}
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    meaning: str = ""
    always: bool = True
    rules: tuple[Rule, ...] = ()

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
        """Writes `rows` to the table's file in `folder`, whole or not at all, and its digest beside it; where it is."""
        return self.write_to(self.path(folder), rows)

    def write_to(self, path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
        """Writes `rows` to the file `path`, whole or not at all, and its digest beside it; where it is."""
        content = csv_bytes(self.names, rows)
        announce(path, content)
        write_bytes(path, content, lasting=False)
        return path

    def read(self, path: Path, columns: Sequence[str] | None = None) -> list[Row]:
        """The rows of the CSV file `path`, every cell of its column's kind; `columns`: some of them (None: all).

        Raises LotteryError naming the file, and the line, where it cannot be read, lacks a column that is not `added`,
        has a cell of another kind or out of its range, an empty one where a value is required, or a row that breaks a
        rule. Columns that are not declared are left out. Logs a warning where the file is not as lth wrote it.
        """
        wanted = [self.by_name[name] for name in columns] if columns is not None else list(self.columns)
        with reading_table(path):
            content = read_bytes(path)
            say_if_changed(path, content)
            head, lines = csv_rows(content)
            if missing := missing_columns(wanted, head):
                raise ValueError(f"has no column {', '.join(missing)}")
            return [
                parse_row(f"{path}, line {line}", dict(zip(head, cells, strict=True)), wanted, self.rules)
                for line, cells in lines
            ]


@contextmanager
def reading_table(path: Path) -> Iterator[None]:
    """Turns what goes wrong within, as the CSV file `path` is read, into a LotteryError that names it."""
    try:
        yield
    except OSError as error:
        raise LotteryError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise LotteryError(f"{path}: is not a CSV table ({error})") from error
    except ValueError as error:
        raise LotteryError(f"{path}: {error}") from error


def head_of(path: Path) -> list[str]:
    """The names of the columns of the CSV file `path`. Raises LotteryError naming it where it cannot be read."""
    with reading_table(path):
        return csv_rows(read_bytes(path))[0]


def missing_columns(columns: Iterable[Column], names: Iterable[str]) -> list[str]:
    """Those of `columns` that should be among `names` and are not."""
    there = set(names)
    return [column.name for column in columns if not column.added and column.name not in there]


def parse_row(where: str, cells: Mapping[str, str], columns: Sequence[Column], rules: Sequence[Rule] = ()) -> Row:
    """The values of `cells` by the declared `columns`; LotteryError that begins with `where` for a bad one.

    rules: what they keep between them.
    """
    row: Row = {}
    for column in columns:
        text = cells.get(column.name, "") if column.added else cells[column.name]
        try:
            row[column.name] = column.parse(text)
        except ValueError as error:
            raise LotteryError(f"{where}: {column.name}={brief(text)}: {error}") from error
    if empty := [column.name for column in columns if column.required and row[column.name] is None]:
        raise LotteryError(f"{where}: {', '.join(empty)} is empty")
    for rule in rules:
        if rule.broken(row):
            values = ", ".join(f"{name}={row[name]}" for name in rule.columns)
            raise LotteryError(f"{where}: {values}: {rule.meaning}")
    return row
