"""The rows of results that experiments made of runs, sealed: reports can be made from the store alone."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lth.core.errors import reason_of
from lth.core.files import in_memory, make_folder, writing
from lth.core.reading import read_json
from lth.core.sealed_json import DamagedFileError, unsealed, write_sealed_json
from lth.store.layout import ROWS, old_row_file, row_file, rows_folder


def keep_row(store: Path, row: Mapping[str, Any]) -> bool:
    """Keeps a row of results.csv, and says whether its place was empty; LotteryError where that cannot be written."""
    path = row_file(store, row)
    empty = not os.path.lexists(path)
    columns = {name: value for name, value in row.items() if not in_memory(name)}
    with suppress(DamagedFileError, OSError):
        if read_row(path) == columns:
            return False
    write_sealed_json(path, columns, lasting=False, folder=store)
    with suppress(OSError):
        old_row_file(store, path).unlink()
    return empty


def read_row(path: Path) -> dict[str, Any]:
    """The row in the file `path`; rows of older stores have no checksum.

    Raises DamagedFileError where it is damaged or no row, OSError where it cannot be read.
    """
    try:
        content = read_json(path)
    except ValueError as error:
        raise DamagedFileError(reason_of(error)) from error
    return content if isinstance(content, dict) and "run" in content else unsealed(content)


def rescue_rows(store: Path, folder: Path) -> None:
    """Moves the rows in the folder of a run, where older stores have them, to their place: it is to be set aside."""
    place = rows_folder(store, folder.name)
    for path in sorted(folder.glob(f"{ROWS}/*.json")):
        with writing(place):
            make_folder(place, folder=store)
            if not (place / path.name).exists():
                path.rename(place / path.name)
