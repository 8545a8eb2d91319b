"""Whatever W&B does not answer holds no job and no interpreter at its end."""

import logging
import os
import signal
import threading
import time
from contextlib import suppress

import pytest

from lth.report.wandb import guard
from lth.report.wandb.guard import Caller, guarded
from lth.report.wandb.run import RunInfo
from lth.report.wandb.tracking import Ending, Wandb


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """A short deadline, and a thread of the test's own."""
    monkeypatch.setattr(guard, "SECONDS", 0.5)
    monkeypatch.setattr(guard, "_caller", None)


def test_calls_go_in_order_through_one_daemon_thread():
    threads = [guarded(threading.current_thread) for _ in range(3)]
    assert len(set(threads)) == 1 and threads[0].daemon and threads[0] is not threading.current_thread()
    assert guarded(lambda: guarded(threading.current_thread)) is threads[0]  # a call within a call


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_what_a_call_raises_ends_neither_the_thread_nor_the_process(error):
    def fail():
        raise error

    with pytest.raises(ValueError if isinstance(error, ValueError) else RuntimeError):
        guarded(fail)
    assert guarded(lambda: 1) == 1


def test_after_one_silence_nothing_waits_again():
    silence = threading.Event()
    with pytest.raises(TimeoutError, match=r"^no answer within 0.5 s$"):
        guarded(silence.wait)
    began = time.monotonic()
    with pytest.raises(TimeoutError, match=r"^it has not answered before$"):
        guarded(lambda: 1)
    assert time.monotonic() - began < 0.4
    silence.set()


@pytest.fixture
def interruptible():
    """Ctrl-C interrupts this process, also where it was started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_whoever_interrupts_a_wait_waits_no_more():
    silence = threading.Event()
    threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        guarded(silence.wait, 20)
    with pytest.raises(TimeoutError, match=r"^it has not answered before$"):
        guarded(lambda: 1)
    silence.set()


def test_a_fork_has_a_thread_of_its_own(monkeypatch):
    caller = Caller()
    monkeypatch.setattr(caller, "process", os.getpid() + 1)
    monkeypatch.setattr(guard, "_caller", caller)
    assert guarded(lambda: 1) == 1 and guard._caller is not caller


class Silent:
    """A W&B run that answers until `where`, and then never."""

    resumed, step = False, 0

    def __init__(self, where: str) -> None:
        self.where, self.summary, self.silence = where, {}, threading.Event()

    def call(self, what: str) -> None:
        if what == self.where:
            self.silence.wait(20)

    def __getattr__(self, what: str):
        return lambda *_, **__: self.call(what)


@pytest.mark.usefixtures("no_account")
@pytest.mark.parametrize("where", ["init", "define_metric", "log", "finish"])
def test_a_silent_wandb_is_one_warning_and_the_job_goes_on(tmp_path, monkeypatch, caplog, where):
    run = Silent(where)
    monkeypatch.setattr("wandb.init", lambda **_: run.call("init") or run)
    monkeypatch.setattr("lth.report.wandb.run.library", lambda _: __import__("wandb"))
    tracker = Wandb(tmp_path, "offline", RunInfo("run0", "name", "group", "imp"))
    began = time.monotonic()
    tracker.start()
    tracker.log_level([{"level": 0, "arm": "ticket", "density": 1.0, "final_test_accuracy": 0.9}])
    tracker.finish(Ending([]))
    tracker.stop()
    assert time.monotonic() - began < 5
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warning.startswith("W&B failed (no answer within 0.5 s); the job goes on without it")
    run.silence.set()


STOPPED = """\
import os, signal, sys, time
from pathlib import Path
from lth.report.wandb import guard
from lth.report.wandb.run import RunInfo
from lth.report.wandb.tracking import Ending, Wandb
tracker = Wandb(Path("out"), "offline", RunInfo("run0", "name", "group", "imp"))
rows = [{"level": 0, "arm": "ticket", "density": 1.0, "final_test_accuracy": 0.9}]
tracker.start()
guard.SECONDS = 5.0
from wandb.sdk import wandb_setup
core = wandb_setup._singleton._connection._proc._process.pid
when = sys.argv[1]
if when == "end":
    tracker.log_level(rows)
    tracker.finish(Ending([]))
os.kill(core, signal.SIGSTOP if when != "killed" else signal.SIGKILL)
Path("core").write_text(str(core))
if when != "end":
    tracker.log_level(rows)
    tracker.finish(Ending([]))
print("done", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("when", ["middle", "end", "killed"])
def test_a_stopped_or_killed_core_of_the_real_library_holds_nothing(command, tmp_path, when):
    config = {f"WANDB_{kind}_DIR": str(tmp_path / "home") for kind in ("CACHE", "CONFIG", "DATA")}
    try:
        done = command(when, cwd=tmp_path, code=STOPPED, WANDB_MODE=None, **config)
    finally:
        with suppress(OSError):
            os.kill(int((tmp_path / "core").read_text()), signal.SIGKILL)
    assert done.stdout == "done\n" and "Traceback" not in done.stderr
    assert done.stderr.count("W&B failed") == (when != "end")
