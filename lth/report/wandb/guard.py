"""The one thread that calls W&B: whatever hangs there holds neither a job nor the interpreter at its end.

W&B's library starts a process, wandb-core, and waits for it without limit. That process may be stopped or hang, the
network may swallow what is sent. So every call has a deadline, the library's own end at exit, too; after it W&B stays
off for as long as this process lives.
"""

import atexit
import os
import sys
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread, current_thread
from typing import Any, TypeVar

T = TypeVar("T")

SECONDS = 60.0
"""How long a call of W&B may take. W&B's own time-outs, of 30 s each, say more where they work."""


class Caller:
    """A thread that makes the calls it is given, one after the other; the interpreter does not wait for its end."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.hangs = False
        self._calls: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()
        self._thread = Thread(target=self._run, name="lth-wandb", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            action, answer = self._calls.get()
            try:
                answer.set_result(action())
            except Exception as error:
                answer.set_exception(error)
            except BaseException as error:  # W&B's library may call sys.exit, which would end the job
                answer.set_exception(RuntimeError(f"{type(error).__name__}: {error}"))
            del action, answer  # what they hold is not kept until the next call

    def post(self, action: Callable[[], T]) -> "Future[T]":
        """Has `action` called after all that was posted before."""
        answer: Future[T] = Future()
        self._calls.put((action, answer))
        return answer

    def call(self, action: Callable[[], T], seconds: float) -> T:
        """What `action` returns or raises; TimeoutError where it takes longer than `seconds`, or one before it did."""
        if current_thread() is self._thread:
            return action()
        if self.hangs:
            raise TimeoutError("it has not answered before")
        answer = self.post(action)
        try:
            return answer.result(seconds)
        except TimeoutError as error:
            leave()  # after a time-out of W&B's own, too: at exit the interpreter would wait without limit
            if answer.done():
                raise
            self.hangs = True
            raise TimeoutError(f"no answer within {seconds:g} s") from error
        except KeyboardInterrupt:
            self.hangs = not answer.done()  # whoever ends a job while it waits here will not wait once more
            leave()
            raise


_caller: Caller | None = None


def _present() -> Caller:
    """The thread of this process; a fork begins with its own."""
    global _caller
    if _caller is None or _caller.process != os.getpid():
        _caller = Caller()
    return _caller


def guarded(action: Callable[[], T], seconds: float | None = None) -> T:
    """Calls `action` in the one thread that calls W&B; what it returns or raises.

    Raises TimeoutError after `seconds`, by default SECONDS; then every later call raises it at once.

    >>> guarded(lambda: 1 + 1)
    2
    """
    return _present().call(action, SECONDS if seconds is None else seconds)


def posted(action: Callable[[], T]) -> "Future[T]":
    """Has `action` called in that thread, after what it was given before, and does not wait for it.

    What is `guarded` later waits for it, and has its deadline.

    >>> posted(lambda: 1 + 1).result(10)
    2
    """
    return _present().post(action)


def end_at_exit() -> None:
    """Has W&B's library end within SECONDS when the interpreter does; to be called once the library has begun.

    Of itself it would wait without limit for its process. The exit status goes to runs that the user left unfinished.
    """
    caller = _present()

    def end() -> None:
        library = sys.modules.get("wandb")
        if os.getpid() == caller.process and library is not None and not caller.hangs:
            status = getattr(getattr(sys.exit, "__self__", None), "exit_code", 0)  # the library keeps it there
            with suppress(Exception):
                caller.call(lambda: library.teardown(status), SECONDS)

    atexit.register(end)  # the last to be registered is the first to be called


def leave() -> None:
    """Takes back the hook of W&B's library that waits for its process at exit, and asks that process to end.

    One that is stopped ends once it goes on. A later run begins with a new one.
    """
    setup = sys.modules.get("wandb.sdk.wandb_setup")
    connection = getattr(getattr(setup, "_singleton", None), "_connection", None)
    process = getattr(getattr(connection, "_proc", None), "_process", None)  # there is no public way to it
    with suppress(Exception):
        connection._cleanup()  # type: ignore[union-attr]
    with suppress(Exception):
        process.terminate()  # type: ignore[union-attr]
    if setup is not None and connection is not None:
        setup._singleton = None  # type: ignore[attr-defined]
        os.environ.pop("WANDB_SERVICE", None)  # how others would find the process
