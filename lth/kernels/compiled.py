"""Functions compiled by numba, once for this machine: their code is kept on disk, under a digest of their sources.

numba itself notices a change in the file of a function alone, not in those that it calls; the digest covers all files
of this package, so that no stale code is ever run.
"""

import fcntl
import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from numba import config, njit

from lth.core.reading import read_bytes

log = logging.getLogger(__name__)

FLOATS = {"reassoc", "contract", "arcp", "nsz"}
"""What may change in the last bits, as in torch's sums: order and fused products. NaN and infinity stay as they are."""
PATIENCE = 120.0
"""Seconds to wait for another process that compiles; it takes about ten."""
_functions: list[Any] = []


@cache
def folder() -> Path:
    """Where compiled code is kept: below `$NUMBA_CACHE_DIR`, else `lth` in the user's cache folder."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(read_bytes(path))
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "lth"
    return base / "kernels" / digest.hexdigest()[:16]


def compiled(function: Callable[..., Any]) -> Any:
    """`function`, compiled at its first call for each kind of arguments; that call belongs in `compiling`.

    Where no folder can be written, each process compiles anew.
    """
    options: Any = config
    before, options.CACHE_DIR = options.CACHE_DIR, str(folder())
    try:
        result = njit(fastmath=FLOATS, cache=True)(function)
    except RuntimeError:  # of numba: no folder for compiled code can be written
        result = njit(fastmath=FLOATS)(function)
    finally:
        options.CACHE_DIR = before
    _functions.append(result)
    return result


@contextmanager
def compiling(part: str) -> Iterator[None]:
    """Within it functions may be called for new kinds of arguments: no other process compiles at the same time.

    numba numbers the files of its cache without regard to other processes. Where anything has to be compiled, one line
    says so before, and one how long it took. part: which kernels they are, chains or layers.
    """
    with _lock():
        before, began, done = _missed(), time.perf_counter(), folder() / f"{part}.compiled"
        if not done.exists():
            log.info("compiling the sparse kernels of %s, once for this machine: it takes up to a minute", part)
        yield
        if _missed() > before:
            log.info("compiled the sparse kernels of %s: %.1f s", part, time.perf_counter() - began)
        with suppress(OSError):
            done.touch()


def _missed() -> int:
    """How many functions this process has compiled, and not loaded."""
    return sum(sum(function.stats.cache_misses.values()) for function in _functions)


@contextmanager
def _lock() -> Iterator[None]:
    """Holds the lock of the folder; goes on without it where there are no locks, or another process never ends."""
    handle = -1
    with suppress(OSError):
        folder().mkdir(parents=True, exist_ok=True)
        handle = os.open(folder() / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        ends = time.monotonic() + PATIENCE
        while not _locked(handle) and time.monotonic() < ends:
            time.sleep(0.05)
    try:
        yield
    finally:
        if handle >= 0:
            os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
