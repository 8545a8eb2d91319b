"""Atomic files: each is written to a temporary file in the same folder, then renamed, so that none is incomplete."""

import errno
import fcntl
import json
import os
import re
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from lth.core.cells import cell, csv_line
from lth.core.errors import LotteryError

TEMPORARY = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}\.part")
"""The names of temporary files."""
ABANDONED = 86_400.0
"""Seconds after which a temporary file is of no process, where the file system has no locks that could tell."""
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns errors of the file system within into a LotteryError that names `path`."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LotteryError(f"cannot write {path}: {reason}") from error


def is_forbidden(error: Exception) -> bool:
    """Whether an error, or what it comes from, says that the user may not write or read there, or that nobody can."""
    cause = error if isinstance(error, OSError) else error.__cause__
    return isinstance(cause, OSError) and cause.errno in FORBIDDEN


@contextmanager
def replacing(
    path: Path, lasting: bool = True, named: Callable[[Path], str] | None = None, folder: Path | None = None
) -> Iterator[Path]:
    """A temporary path whose file replaces `path` when the block ends without an error.

    lasting: the folder is synced too, so that the new file is there after a power cut; a sync takes milliseconds, and
    what is written often and can be made again does without. named: gives the name of the file from its content, in
    place of the last part of `path`. folder: no link below it is followed out of it. What processes left that were
    killed while they wrote `path` goes. Raises LotteryError naming `path` where the folder cannot be written or the
    disk is full; no temporary file is left.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder) / "results" / "a.txt") as temporary:
    ...         _ = temporary.write_text("a")
    ...     os.listdir(folder + "/results")
    ['a.txt']
    """
    temporary: Path | None = None
    with writing(path):
        handle = -1
        try:
            make_folder(path.parent, lasting, folder)
            clear_leftovers(path.parent, path.name)
            handle, temporary = _temporary(path)
            yield temporary
            temporary.chmod(0o666 & ~_umask())  # temporary files are private, results should not be
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path.with_name(named(temporary)) if named else path)
            if lasting:
                sync_folder(path.parent)
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
            if handle >= 0:
                os.close(handle)


def make_folder(path: Path, lasting: bool = True, folder: Path | None = None) -> None:
    """Makes the folder `path` and those above it; folder: LotteryError where a link below it leads out of it."""
    if folder is not None:
        check_below(path, folder)
    missing = [place for place in (path, *path.parents) if not place.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for place in missing if lasting else ():
        sync_folder(place.parent)


def check_below(path: Path, folder: Path, mend: str = "delete it") -> None:
    """Raises LotteryError where `path` leads out of `folder`, through a link that someone else may have put there.

    mend: what to do about it.
    """
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise LotteryError(f"cannot write {path}: a link leads out of {folder} there; {mend}")


def sync_folder(path: Path) -> None:
    """Waits until the names in a folder are on the disk; does nothing on file systems that cannot."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def clear_leftovers(folder: Path, name: str | None = None) -> None:
    """Removes temporary files that no process is writing any more: those of the file `name`, or all in a folder."""
    for path in leftovers(folder, name):
        with suppress(OSError):
            path.unlink()


def leftovers(folder: Path, name: str | None = None) -> list[Path]:
    """The temporary files in a folder, of the file `name` or of all, that no process is writing any more."""
    with suppress(OSError), os.scandir(folder) as entries:
        names = [match for entry in entries if (match := TEMPORARY.fullmatch(entry.name))]
        chosen = [folder / match.group() for match in names if name in (None, match["name"])]
        return sorted(path for path in chosen if _is_abandoned(path))
    return []


def _temporary(path: Path) -> tuple[int, Path]:
    """(handle, path) of a new temporary file beside `path`, locked: that tells it from those of killed processes."""
    while True:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another process has taken it for a leftover before it was locked
            os.close(handle)
            continue
        except OSError:  # a file system without locks: its age must tell
            return handle, Path(name)
        if os.fstat(handle).st_nlink:
            return handle, Path(name)
        os.close(handle)


def _is_abandoned(path: Path) -> bool:
    """Whether the process that was writing a temporary file has ended."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return False
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return time.time() - os.fstat(handle).st_mtime > ABANDONED
    finally:
        os.close(handle)
    return True


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def write_bytes(path: Path, content: bytes, lasting: bool = True, folder: Path | None = None) -> None:
    """Writes `content` to `path`, completely or not at all; lasting, folder: as in `replacing`."""
    with replacing(path, lasting, folder=folder) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str, lasting: bool = True, folder: Path | None = None) -> None:
    """Writes `content` to `path` as UTF-8, completely or not at all; lasting, folder: as in `replacing`."""
    write_bytes(path, content.encode(), lasting, folder)


def write_json(path: Path, value: Any, lasting: bool = True, folder: Path | None = None) -> None:
    """Writes `value` to `path` as JSON, with sorted keys; TypeError where JSON cannot hold it."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n", lasting, folder)


def in_memory(name: str) -> bool:
    """Whether the key `name` of a row is held in memory alone, and in no table: it begins with an underscore."""
    return name.startswith("_")


def write_csv(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes `rows` to `path` as CSV with exactly `columns`; None and missing values become empty cells.

    Texts are written as `cells.cell` says, so that no spreadsheet runs them. Keys that are held `in_memory` alone are
    left out. Raises ValueError for another value without a column.
    """
    write_bytes(path, csv_bytes(columns, rows), lasting=False)


def csv_bytes(columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """The content of the file that `write_csv` writes."""
    names = list(columns)
    lines = [csv_line(names)]
    for row in rows:
        if unknown := [key for key in row if key not in names and not in_memory(key)]:
            raise ValueError(f"no column for {', '.join(unknown)}")
        lines.append(csv_line([cell(row.get(name)) for name in names]))
    return "".join(lines).encode(errors="backslashreplace")
