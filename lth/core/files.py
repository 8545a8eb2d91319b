"""Files that are whole or not there: written to a temporary name beside the target, then renamed."""

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
    """Within, what the file system refuses becomes a LotteryError that names `path`."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LotteryError(f"cannot write {path}: {reason}") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path whose file takes the place of `path` when the block ends without an error.

    Raises LotteryError naming `path` where the folder cannot be written or the disk is full; nothing is left behind.
    """
    temporary: Path | None = None
    with writing(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
            os.close(handle)
            temporary = Path(name)
            yield temporary
            temporary.chmod(0o666 & ~_umask())  # temporary files are private, results are not
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
    """`content` as the file `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """`content` as the UTF-8 file `path`, whole or not at all."""
    write_bytes(path, content.encode())


def write_json(path: Path, value: Any) -> None:
    """`value` as the JSON file `path`."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def write_csv(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """`rows` as the CSV file `path` with exactly `columns`; None and missing values are empty cells."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(columns), lineterminator="\n", extrasaction="raise")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: "" if value is None else value for key, value in row.items()})
    write_text(path, buffer.getvalue())
