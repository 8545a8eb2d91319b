"""Forks of a process that has torch and the rest imported already: a new one takes seconds for its imports alone.

Reads a line of JSON for each process that is asked for: `code` and `words`, as after `python -c`, `cwd`, `environment`,
and `place`, a folder for its `out`, `err`, and, at its end, `code`, its exit status.
"""

import importlib
import json
import os
import signal
import sys
import types
from pathlib import Path
from typing import Any

PRELOADED = ("torch._dynamo", "safetensors.torch", "hydra.main", "pydantic", "matplotlib.pyplot", "matplotlib.figure")
PRELOADED += ("jinja2", "scipy.stats", "joblib", "lth.cli", "lth.api", "lth.session")


def keep(child: int, place: Path) -> None:
    """Waits for the end of `child` and leaves its exit status."""
    (place / "pid.new").write_text(str(child))
    (place / "pid.new").rename(place / "pid")
    _, status = os.waitpid(child, 0)
    (place / "code.new").write_text(str(os.waitstatus_to_exitcode(status)))
    (place / "code.new").rename(place / "code")
    os._exit(0)


def become(asked: dict[str, Any]) -> None:
    """Makes this process what `python -c code words` would be."""
    place = Path(asked["place"])
    for number, path in enumerate((Path(os.devnull), place / "out", place / "err")):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), number)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv, sys.path[0] = ["-c", *asked["words"]], ""
    sys.modules["__main__"] = main = types.ModuleType("__main__")
    exec(compile(asked["code"], "<string>", "exec"), vars(main))


def serve() -> None:
    """Forks as asked until its input ends. A child goes on as the interpreter of its own code, to the usual end."""
    for name in PRELOADED:
        importlib.import_module(name)
    for line in sys.stdin:
        asked = json.loads(line)
        if os.fork():
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if child := os.fork():
            keep(child, Path(asked["place"]))
        return become(asked)


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # those who wait for their children have no one to wait for them
    serve()
