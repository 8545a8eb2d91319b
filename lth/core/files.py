"""Atomic files: each is written to a temporary file in the same folder, then renamed, so that none is incomplete."""

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from lth.core.errors import LotteryError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns errors of the file system within into a LotteryError that names `path`."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LotteryError(f"cannot write {path}: {reason}") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path whose file replaces `path` when the block ends without an error.

    Raises LotteryError naming `path` where the folder cannot be written or the disk is full; no temporary file is left.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder) / "results" / "a.txt") as temporary:
    ...         _ = temporary.write_text("a")
    ...     os.listdir(folder + "/results")
    ['a.txt']
    """
    temporary: Path | None = None
    with writing(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
            os.close(handle)
            temporary = Path(name)
            yield temporary
            temporary.chmod(0o666 & ~_umask())  # temporary files are private, results should not be
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def write_bytes(path: Path, content: bytes) -> None:
    """Writes `content` to `path`, completely or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Writes `content` to `path` as UTF-8, completely or not at all."""
    write_bytes(path, content.encode())


def write_json(path: Path, value: Any) -> None:
    """Writes `value` to `path` as JSON, with sorted keys; TypeError where JSON cannot hold it."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def in_memory(name: str) -> bool:
    """Whether the key `name` of a row is held in memory alone, and in no table: it begins with an underscore."""
    return name.startswith("_")


def write_csv(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes `rows` to `path` as CSV with exactly `columns`; None and missing values become empty cells.

    Keys that are held `in_memory` alone are left out. Raises ValueError for another value without a column.
    """
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(columns), lineterminator="\n", extrasaction="raise")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: "" if value is None else value for key, value in row.items() if not in_memory(key)})
    write_text(path, buffer.getvalue())
