"""This process as a command of a terminal: its streams, its search path, the signals that stop it. Imports no torch."""

import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import chdir, suppress
from pathlib import Path
from types import FrameType

from lth.core.search_path import leave_current_folder

PARENT = "LTH_SWEEP"
"""The environment variable by which worker processes of joblib know the process that waits for their jobs."""
GRACE = 60.0
"""Seconds that a job has to write its tables once its sweep is gone."""


class Stopped(KeyboardInterrupt):
    """A signal that asks the process to end; a KeyboardInterrupt, so that whatever handles Ctrl-C handles it too."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def code(self) -> int:
        """The exit status that shells know: 128 and the number of the signal; 1 for Ctrl-C."""
        return 1 if self.number == signal.SIGINT else 128 + self.number


def settle() -> None:
    """Makes the process a quiet one: what a stream cannot show is replaced, a closed stream is no error.

    Figures are drawn without a screen, whatever backend a notebook has named, and by the user's own `matplotlibrc`, not
    by one in the current folder. Python's folder of the started script, which is the current folder with `python -m
    lth`, is no longer searched for modules.
    """
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):  # what tests and notebooks put there
            stream.reconfigure(errors="replace" if stream is sys.stdout else "backslashreplace")  # type: ignore[union-attr]
    os.environ["MPLBACKEND"] = "agg"
    leave_current_folder()
    if os.path.lexists("matplotlibrc"):  # it would be read at the import, and may be a named pipe
        with chdir(Path(__file__).parent):
            importlib.import_module("matplotlib")


def _open_closed_streams() -> None:
    """Opens /dev/null in place of closed standard streams: the next file would get their number, and their output."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            handle = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(handle, mode, encoding="utf-8"))


def stop_on_signals() -> None:
    """Lets SIGINT, SIGTERM and SIGHUP end the process as Ctrl-C does: tables are written. A second one ends it at once.

    A signal that is ignored, as SIGHUP by nohup, stays ignored.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    raise Stopped(number)


def shield_workers() -> None:
    """Keeps Ctrl-C from the worker processes that this one starts until they `listen`: before, each shows a traceback.

    They inherit that the signal is blocked in the main thread; another thread of this process takes it.
    """
    os.environ[PARENT] = str(os.getpid())
    os.environ["PYTHONSAFEPATH"] = "1"  # else Python searches the current folder first in a process that it starts
    filters = [os.environ.get("PYTHONWARNINGS", ""), "ignore:resource_tracker:UserWarning"]  # of workers that are gone
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, filters))
    for tracker in ("multiprocessing.resource_tracker", "joblib.externals.loky.backend.resource_tracker"):
        importlib.import_module(tracker).ensure_running()  # starting one would unblock the signal

    def take() -> None:
        listen()
        threading.Event().wait()

    threading.Thread(target=take, daemon=True, name="signals").start()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def listen() -> None:
    """Lets this thread have Ctrl-C again, the one that came meanwhile too."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def end_with_sweep(seconds: float = 1.0) -> Callable[[], bool]:
    """In a worker of joblib: ends the process once that of the sweep is gone, and lets its job write its tables first.

    Gives whether it is gone. In any other process it does nothing.
    """
    expected = os.environ.get(PARENT, "")
    if not expected.isdigit() or int(expected) == os.getpid():
        return lambda: False

    def gone() -> bool:
        return os.getppid() != int(expected)

    def watch() -> None:
        while not gone():
            time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE)
        os._exit(128 + signal.SIGTERM)

    if not any(thread.name == PARENT for thread in threading.enumerate()):
        threading.Thread(target=watch, daemon=True, name=PARENT).start()
    return gone
