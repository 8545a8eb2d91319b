"""The digests of the tables in a folder: whether a table is as lth wrote it, or was edited by hand or damaged since.

`digests.txt` has a line for each time that a table was written, as sha256sum writes it. A line is appended before the
table takes the place of an older one, so that neither a kill between the two nor another process in the same folder
makes a table look changed. It finds accidents and edits; it is no signature. Imports no torch.
"""

import hashlib
import logging
import os
import re
from functools import lru_cache
from pathlib import Path

from lth.core.errors import LotteryError
from lth.core.files import writing
from lth.core.reading import read_bytes

log = logging.getLogger(__name__)

DIGESTS = "digests.txt"
"""The file in a folder of tables that holds their digests."""
LINE = re.compile(rb"([0-9a-f]{64})  (.+)")


def announce(path: Path, content: bytes) -> None:
    """Says in the folder's digests that lth is about to write `content` to the table `path`.

    Raises LotteryError where the folder cannot be written.
    """
    line = f"{hashlib.sha256(content).hexdigest()}  {path.name}\n".encode()
    place = path.with_name(DIGESTS)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = _content(place)
        if line not in kept.splitlines(keepends=True):
            _append(place, line if kept.endswith(b"\n") or not kept else b"\n" + line)


def _append(place: Path, line: bytes) -> None:
    handle = os.open(
        place, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666
    )
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


def is_changed(path: Path, content: bytes) -> bool:
    """Whether the table `path`, which holds `content`, is another than lth wrote; not where no digest of it is kept."""
    try:
        lines = _content(path.with_name(DIGESTS)).splitlines()
    except OSError:
        return False
    digests = {match[1] for line in lines if (match := LINE.fullmatch(line)) and match[2] == path.name.encode()}
    return bool(digests) and hashlib.sha256(content).hexdigest().encode() not in digests


def say_if_changed(path: Path, content: bytes) -> None:
    """Logs a warning, once for each content, where the table `path` is another than lth wrote."""
    if is_changed(path, content):
        _say(path, hashlib.sha256(content).hexdigest())


@lru_cache(maxsize=4096)
def _say(path: Path, digest: str) -> None:
    """Logs the warning about `path`; the cache keeps it from coming again for the same `digest`."""
    log.warning("%s", LotteryError(f"{path}: edited by hand or damaged since lth wrote it"))


def _content(place: Path) -> bytes:
    """What the digests at `place` hold; nothing where there is no such file."""
    try:
        return read_bytes(place)
    except FileNotFoundError:
        return b""
