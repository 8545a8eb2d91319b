"""Cells of CSV files: text as values, values as text that no spreadsheet takes for a formula, and rows of text.

Imports no torch.
"""

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

FORMULA = re.compile(r"'*[=+\-@\x00-\x1f\x7f]")
"""How a text begins that a spreadsheet would run as a formula, and one that has been kept from that."""
INTEGER = re.compile(r"[+-]?[0-9]+")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
NOT_FINITE = re.compile(r"[+-]?(nan|inf)", re.IGNORECASE)
QUOTE = '"'
QUOTED = re.compile(r'[,"\r\n]')
"""What a cell is written within quotes for."""
WIDEST = 2**31 - 1
"""Characters of the widest cell that is read: which test examples are correct is one cell."""


def cell(value: Any) -> Any:
    """`value` as it is written to a CSV file: empty for None, and a text that begins as a formula after an apostrophe.

    >>> [cell("=1+1"), cell("'=1+1"), cell("'tis"), cell(-1)]
    ["'=1+1", "''=1+1", "'tis", -1]
    """
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def csv_line(cells: Sequence[Any]) -> str:
    r"""A line of a CSV file. Python 3.11's own writer leaves a carriage return without quotes, which ends a line.

    >>> csv_line([1, "x,y", "a"])
    '1,"x,y",a\n'
    """
    if len(cells) == 1 and str(cells[0]) == "":
        return '""\n'  # an empty line would be no row
    return ",".join(_quoted(str(cell)) for cell in cells) + "\n"


def _quoted(text: str) -> str:
    return f'"{text.replace(QUOTE, QUOTE * 2)}"' if QUOTED.search(text) else text


def text_of(written: str) -> str:
    """The text that `cell` wrote.

    >>> text_of(cell("@home"))
    '@home'
    """
    return written[1:] if written.startswith("'") and FORMULA.match(written) else written


def boolean(written: str) -> bool:
    """True or False as Python writes them; ValueError for anything else."""
    if written not in ("True", "False"):
        raise ValueError("is neither True nor False")
    return written == "True"


def integer(written: str) -> int:
    """A whole number in decimal digits, of at most 64 bits; ValueError for anything else."""
    if not INTEGER.fullmatch(written):
        raise ValueError("is no whole number")
    if len(written) > 21 or abs(int(written)) >= 2**64:
        raise ValueError("is a number of more than 64 bits")
    return int(written)


def number(written: str) -> float:
    """A number as Python and spreadsheets write it, or nan, inf; ValueError for anything else, and for too large ones.

    >>> number("1e309")
    Traceback (most recent call last):
    ValueError: is too large a number
    """
    if NOT_FINITE.fullmatch(written):
        return float(written)
    if not NUMBER.fullmatch(written):
        raise ValueError("is no number")
    if math.isinf(value := float(written)):
        raise ValueError("is too large a number")
    return value


PARSERS: Mapping[type, Any] = {str: text_of, int: integer, float: number, bool: boolean}
"""The kind of a column -> what makes a value of a cell's text."""


def csv_rows(content: bytes) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """(the head, (line, cells) of each further row) of a CSV file with `content`; a byte order mark is left out.

    Raises ValueError where it is no such file, for rows as they come: for other encodings than UTF-8, an open quote, a
    column that the head names twice, and a row of another length.
    """
    reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
    head = _next(reader) or []
    if twice := sorted({name for name in head if head.count(name) > 1}):
        raise ValueError(f"has the column {', '.join(twice)} twice")
    return head, _rows(reader, len(head))


def _rows(reader: Any, width: int) -> Iterator[tuple[int, list[str]]]:
    while (cells := _next(reader)) is not None:
        if cells and len(cells) != width:
            raise ValueError(f"line {reader.line_num}: has {len(cells)} cells where the head of the table has {width}")
        if cells:
            yield reader.line_num, cells


def _next(reader: Any) -> list[str] | None:
    """The next row, None at the end. The widest cell is a setting of the whole process, which is left as it was."""
    usual = csv.field_size_limit(WIDEST)
    try:
        return next(reader, None)
    except csv.Error as error:
        raise ValueError(f"is not a CSV table ({error})") from error
    finally:
        csv.field_size_limit(usual)
