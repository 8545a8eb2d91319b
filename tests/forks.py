"""Forks of a process that has torch and the rest imported already: a new one takes seconds for its imports alone.

Reads a line of JSON for each process that is asked for: `code` and `words`, as after `python -c`, `cwd`, `environment`,
and `place`, a folder for its `out`, `err`, and, at its end, `code`, its exit status. They render no figures.
"""

import atexit
import gc
import importlib
import json
import os
import signal
import sys
import threading
import types
from pathlib import Path
from typing import Any

from tests.sketches import leave_unrendered

PRELOADED = (
    "safetensors.torch",
    "hydra.main",
    "pydantic",
    "matplotlib.pyplot",
    "matplotlib.figure",
    "jinja2",
    "joblib",
)
PRELOADED += ("lth.cli", "lth.api", "lth.session")


def keep(child: int, place: Path) -> None:
    """Waits for the end of `child` and leaves its exit status."""
    (place / "pid.new").write_text(str(child))
    (place / "pid.new").rename(place / "pid")
    _, status = os.waitpid(child, 0)
    (place / "code.new").write_text(str(os.waitstatus_to_exitcode(status)))
    (place / "code.new").rename(place / "code")
    os._exit(0)


def become(asked: dict[str, Any]) -> None:
    """Makes this process what `python -c code words` would be, and ends it."""
    place = Path(asked["place"])
    for number, path in enumerate((Path(os.devnull), place / "out", place / "err")):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), number)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv, sys.path[0] = ["-c", *asked["words"]], ""
    sys.modules["__main__"] = main = types.ModuleType("__main__")
    status = 0
    try:
        exec(compile(asked["code"], "<string>", "exec"), vars(main))
    except SystemExit as error:
        status = ended(error)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        status = -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    end(status)


def ended(error: SystemExit) -> int:
    """The exit status of an interpreter that this exception ends; a message is printed."""
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    print(error.code, file=sys.stderr)
    return 1


def end(status: int) -> None:
    """Ends this process as an interpreter does, but for freeing what it holds: all that was imported, for seconds."""
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except (OSError, ValueError):
            status = 120  # as Python says it
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status & 0xFF)


def patch(name: str, value: Any) -> None:
    """Puts `value` in the place of what is called `name`."""
    module, _, attribute = name.rpartition(".")
    setattr(importlib.import_module(module), attribute, value)


def serve() -> None:
    """Forks as asked until its input ends."""
    for name in PRELOADED:
        importlib.import_module(name)
    leave_unrendered(patch)
    gc.freeze()  # a collection in a child would copy every page
    for line in sys.stdin:
        asked = json.loads(line)
        if os.fork():
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if child := os.fork():
            keep(child, Path(asked["place"]))
        become(asked)


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # those who wait for their children have no one to wait for them
    serve()
    os._exit(0)  # freeing all that was imported takes seconds
