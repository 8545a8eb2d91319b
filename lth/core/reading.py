"""The one door for files that are read: regular files alone, so that a named pipe or a device cannot hold a command.

Every function raises OSError, with the reason and the file's name, for what is no regular file or cannot be opened.
Imports no torch.
"""

import errno
import io
import json
import os
import stat
from pathlib import Path
from typing import Any

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def regular(path: str | Path) -> Path:
    """`path`, for a library that opens files by name: a regular file, or a link to one.

    >>> regular("/dev/null")
    Traceback (most recent call last):
    OSError: [Errno 22] is a device, not a file: '/dev/null'
    """
    _check(os.stat(path), path)
    return Path(path)


def opened(path: str | Path) -> io.BufferedReader:
    """The regular file `path`, open for reading bytes; to be closed by the caller."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe without a writer would wait for one
    try:
        _check(os.fstat(handle), path)
    except OSError:
        os.close(handle)
        raise
    return os.fdopen(handle, "rb")


def read_bytes(path: str | Path) -> bytes:
    """The content of the regular file `path`."""
    with opened(path) as file:
        return file.read()


def read_text(path: str | Path) -> str:
    """The content of the regular file `path`, as UTF-8; UnicodeDecodeError (a ValueError) where it is none."""
    return read_bytes(path).decode()


def read_json(path: str | Path) -> Any:
    """What the JSON file `path` holds; ValueError where it is not JSON, or nested too deeply to be read."""
    return parse_json(read_text(path))


def parse_json(text: str) -> Any:
    """What the JSON `text` holds; ValueError where it is not JSON, or nested too deeply to be read.

    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
    ValueError: it is nested too deeply
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _check(status: os.stat_result, path: str | Path) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")
        raise OSError(errno.EINVAL, f"is {kind}, not a file", str(path))
