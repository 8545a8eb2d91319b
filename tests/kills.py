"""Processes that are killed at one of their file operations: forks, so that nothing is imported again."""

import gc
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
AUDITED = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.link", "os.symlink", "os.truncate"}
PATCHED = ("fsync", "ftruncate", "pwrite")
Action = Callable[[], Any]


def forked(action: Action) -> int:
    """Does `action` in a fork of this process; the fork, to be waited for. It ends with 1 where that raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: none of them matters here
        child = os.fork()
    if child:
        return child
    gc.disable()  # a collection would copy every page that the two processes share
    status = 1
    try:
        action()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def can_train() -> bool:
    """Whether a fork of this process can train; it cannot once autograd has started threads, as torch says."""

    def backward() -> None:
        torch.ones(1, requires_grad=True).sum().backward()

    return ended(forked(backward)) == 0


def ended(child: int) -> int:
    """The exit status of a fork once it has ended; minus a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed(action: Action, below: Path, number: int) -> Action:
    """`action`, in a process that is killed right before its operation `number` on files below a folder.

    A text or a file of weights is written in two halves, and the process can be killed between them. To be called in a
    fork: nothing is put back.
    """

    def until_killed() -> None:
        left = number

        def count() -> None:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            reads = event == "open" and not (arguments[2] or 0) & WRITES
            if event in AUDITED and not reads and str(arguments[0]).startswith(str(below)):
                count()

        _count_calls(count)
        sys.addaudithook(hook)
        action()

    return until_killed


def _count_calls(count: Action) -> None:
    """Counts operations that Python does not tell of, and writes in two halves."""
    import safetensors.torch

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            count()
            return function(*arguments, **named)

        return call

    for name in PATCHED:
        setattr(os, name, counted(getattr(os, name)))
    save = safetensors.torch.save

    def save_file(tensors: Any, path: Path, metadata: Any = None) -> None:
        Path(path).write_bytes(save(tensors, metadata))

    def write_bytes(self: Path, content: bytes) -> None:
        with self.open("wb", buffering=0) as file:
            file.write(content[: len(content) // 2])
            count()
            file.write(content[len(content) // 2 :])

    Path.write_bytes = write_bytes  # type: ignore[method-assign,assignment]
    for module in ("lth.core.sealed", "lth.store.files"):
        sys.modules[module].save_file = save_file  # type: ignore[attr-defined]


def kill_everywhere(
    action: Callable[[Path], Any],
    prepared: Callable[[Path], Any],
    contents: Callable[[Path], Any],
    place: Path,
    step: int = 1,
    beside: int = 0,
) -> int:
    """Kills `action` at every operation, lets it run again, and compares; the number of operations.

    action: what is done in a folder that `prepared` has filled. contents: what must be as after an unbroken run. step:
    every how many operations it is killed. beside: another process does the same at the time, and is not killed; so
    the operations differ from time to time, and that many are tried.
    """
    unbroken = place / "unbroken"
    prepared(unbroken)
    assert ended(forked(lambda: action(unbroken))) == 0
    expected, number = contents(unbroken), 0
    while True:
        folder = place / f"killed-{number}"
        prepared(folder)
        other = forked(lambda: action(folder)) if beside else None  # noqa: B023
        status = ended(forked(killed(lambda: action(folder), folder, number)))  # noqa: B023
        assert status in (0, -signal.SIGKILL), f"operation {number}"
        assert other is None or ended(other) == 0, f"beside one that is killed at operation {number}"
        assert ended(forked(lambda: action(folder))) == 0, f"after a kill at operation {number}"  # noqa: B023
        assert contents(folder) == expected, f"after a kill at operation {number}"
        if number >= beside if beside else status == 0:
            return number
        number += step
