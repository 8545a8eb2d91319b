"""Locks between processes, on files that name their holder; the operating system releases them when a process ends."""

import errno
import fcntl
import json
import logging
import os
import platform
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from lth.core.errors import LotteryError
from lth.core.files import make_folder, writing
from lth.core.reading import parse_json, read_text

log = logging.getLogger(__name__)

PAUSE = 0.1
"""Seconds between two attempts."""
STOPPED = ", which is stopped (kill -CONT lets it go on)"
_HOLDER = 400
"""The most bytes that a holder writes."""
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)


@contextmanager
def locked(path: Path, what: str, root: Path, seconds: float | None = None) -> Iterator[None]:
    """Holds the lock `path` for this process; waits for another that holds it, at most `seconds` (None: for ever).

    what: what it is for, in messages. root: no link below it is followed. Raises LotteryError where the lock cannot be
    made, is no regular file, or is not free in time.
    """
    with writing(path):
        make_folder(path.parent, folder=root)
    handle = _acquire(path, what, seconds)
    try:
        _sign(handle)
        yield
    finally:
        os.close(handle)


def is_held(path: Path) -> bool:
    """Whether another process holds the lock `path`; LotteryError where that cannot be told."""
    try:
        try:
            handle = _opened(path, os.O_RDWR)
        except PermissionError:
            handle = _opened(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise LotteryError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        return not _try(handle, path)
    finally:
        os.close(handle)


def _acquire(path: Path, what: str, seconds: float | None) -> int:
    """The handle of the locked file."""
    began, named = time.monotonic(), ""
    while True:
        with writing(path):
            handle = _opened(path, os.O_RDWR | os.O_CREAT)
        try:
            if _try(handle, path):
                if _is_at(handle, path):  # else its last holder has removed the file
                    return os.dup(handle)
                continue
            holder = _holder(handle)
        finally:
            os.close(handle)
        if holder != named:
            level = logging.WARNING if holder.endswith(STOPPED) else logging.INFO
            log.log(level, "%s is being trained: waiting for %s", what, holder)
            named = holder
        if seconds is not None and time.monotonic() - began >= seconds:
            mend = f"end that process, or wait longer than store.lock_seconds={seconds:g}"
            raise LotteryError(f"{what} is locked by {holder}: {mend}")
        time.sleep(PAUSE)


def _opened(path: Path, flags: int) -> int:
    """The lock file's handle. It is not emptied, no link is followed, and nothing but a regular file waits."""
    handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "is no regular file; delete it", str(path))
    return handle


def _try(handle: int, path: Path) -> bool:
    """Locks the file unless another process holds it; whether it is locked."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        mend = "put the store on a file system with file locks: outputs=FOLDER" if error.errno in _NO_LOCKS else ""
        raise LotteryError(f"cannot lock {path}: {error.strerror}{mend and '; '}{mend}") from error
    return True


def _is_at(handle: int, path: Path) -> bool:
    """Whether the open file is still the one at `path`."""
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(path))
    except FileNotFoundError:
        return False


def _sign(handle: int) -> None:
    """Writes who holds the lock; into no file that is known under another name as well, or holds anything else."""
    now = datetime.now().astimezone().isoformat(" ", "seconds")
    text = json.dumps({"host": platform.node(), "pid": os.getpid(), "since": now})
    with suppress(OSError):
        if os.fstat(handle).st_nlink == 1 and (os.fstat(handle).st_size == 0 or _signature(handle)):
            os.ftruncate(handle, 0)
            os.pwrite(handle, text.encode()[:_HOLDER], 0)


def _holder(handle: int) -> str:
    """Who holds the lock, in words."""
    signature = _signature(handle)
    if not signature:
        return "another process"
    host, pid, since = (signature[key] for key in ("host", "pid", "since"))
    stopped = STOPPED if host == platform.node() and _is_stopped(pid) else ""
    return f"process {pid} on {host}, since {since}{stopped}"


def _signature(handle: int) -> dict[str, str]:
    """What a holder has written into its lock; nothing where that is not what one writes."""
    try:
        content = parse_json(os.pread(handle, _HOLDER, 0).decode())
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict) or content.keys() != {"host", "pid", "since"}:
        return {}
    return {key: "".join(filter(str.isprintable, str(value))) for key, value in content.items()}


def _is_stopped(pid: str) -> bool:
    """Whether a process of this machine is stopped, where the system tells."""
    try:
        return read_text(f"/proc/{int(pid)}/stat").rpartition(")")[2].split()[0] in "Tt"
    except (OSError, ValueError, IndexError):
        return False
