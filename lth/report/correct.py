"""Which test examples a kept state classifies correctly: a cell of text in correct.csv, bools in memory.

Comparisons of accuracies need it: two networks are wrong on many of the same examples, so the error of their difference
on one test set is smaller than that of two independent accuracies.
"""

import base64
import binascii
import zlib
from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lth.core.tables import Row
from lth.tasks.metrics import OF_EXAMPLES

KEY = "_correct"
"""The key of a row of results that holds the cells by KINDS, in memory alone."""
KINDS = {f"{kind}_test_{metric}": kind for kind in ("early_stop", "final") for metric in OF_EXAMPLES}
"""Column of an accuracy -> the kept state that it is of."""


def encoded(bits: bytes) -> str:
    """Packed bits as the text of a cell: compressed, since nearly all of them are alike, in base64.

    >>> hits(encoded(b"\\xa0"), 3).tolist()
    [True, False, True]
    """
    return base64.b64encode(zlib.compress(bits, 9)).decode()


@lru_cache(maxsize=4096)
def hits(text: str, examples: int) -> NDArray[np.bool_]:
    """The bools of a cell, (examples,). Raises ValueError for text that holds others, or none."""
    try:
        bits = np.frombuffer(zlib.decompress(base64.b64decode(text, validate=True)), np.uint8)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"holds no bits: {error}") from error
    if len(bits) != -(-examples // 8):
        raise ValueError(f"holds {8 * len(bits)} bits for {examples} test examples")
    return np.unpackbits(bits, count=examples).astype(bool)


def hits_of(row: Row, column: str) -> NDArray[np.bool_] | None:
    """Which test examples count as correct in the accuracy `column` of a row of results; None where that is unknown.

    A cell that does not give the row's own accuracy is of another training, and counts as unknown.
    """
    text, examples = row.get(KEY, {}).get(KINDS.get(column)), row.get("test_examples")
    if not text or not examples or row[column] is None:
        return None
    try:
        correct = hits(text, examples)
    except ValueError:
        return None
    return correct if abs(correct.mean() - row[column]) < 0.5 / examples else None


def correct_rows(rows: Iterable[Row]) -> list[Row]:
    """The rows of correct.csv for rows of results that hold them, a run each."""
    cells = {row["run"]: row[KEY] for row in rows if row.get(KEY)}
    return [{"run": run, "early_stop": None, "final": None, **kinds} for run, kinds in cells.items()]


def attach(rows: Iterable[Row], cells: Mapping[str, Mapping[str, str | None]]) -> None:
    """Adds to each of `rows` the cells of its run, where `cells` (by run) has them."""
    for row in rows:
        if row["run"] in cells:
            row[KEY] = cells[row["run"]]
