"""A command as a process: its streams, its search path, the signals that end it."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lth.cli.process import PARENT, Stopped, settle, stop_on_signals

MAIN = "from lth.cli import main; main()"


@pytest.fixture
def handlers():
    """The handlers of this process, put back afterwards."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_a_terminal_cannot_show_is_replaced(monkeypatch, encoding):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding, errors="strict"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("MPLBACKEND", "module://nowhere")
    settle()
    print("≥ 1 🙂", end="", flush=True)
    assert raw.getvalue().decode(encoding).endswith("≥ 1 🙂" if encoding == "utf-8" else "? 1 ?")
    assert os.environ["MPLBACKEND"] == "agg"


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: Path(path).write_text("lines.linewidth: 7")])
def test_a_configuration_of_matplotlib_in_the_current_folder_is_not_read(tmp_path, make):
    make(tmp_path / "matplotlibrc")
    code = (
        "from lth.cli.process import settle; settle(); import matplotlib; print(matplotlib.rcParams['lines.linewidth'])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "1.5", done.stderr


@pytest.mark.parametrize("first", ["", "here"])
def test_the_current_folder_is_not_searched_first(monkeypatch, tmp_path, first):
    monkeypatch.chdir(tmp_path)
    folder = str(tmp_path) if first else ""
    monkeypatch.setattr(sys, "path", [folder, *sys.path])
    settle()
    assert folder not in sys.path


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 1), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_a_command_as_control_c_does(handlers, number, code):
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    stop_on_signals()
    with pytest.raises(KeyboardInterrupt) as stop:
        os.kill(os.getpid(), number)
        time.sleep(1)
    assert isinstance(stop.value, Stopped) and stop.value.code == code
    assert signal.getsignal(number) == signal.SIG_DFL, "a second one ends the process at once"


def test_a_signal_that_is_ignored_stays_so(handlers):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    stop_on_signals()
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_closed_streams_and_files_of_the_current_folder_are_no_matter(tmp_path):
    for name in ("statistics", "hydra", "omegaconf", "yaml", "difflib"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')")
    words = f"{sys.executable} -m lth imp seed=1 --help 1>&- 2>&- 0<&-"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "1"}
    done = subprocess.run(["bash", "-c", words], cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 1), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_the_workers_of_a_sweep_end_with_it(begin, tmp_path, number, code):
    words = ["imp", "-m", "scale=smoke", "data=digits", "recipe.iterations=1000000", "seed=0,1"]
    process = begin(*words, "hydra.launcher.n_jobs=2", cwd=tmp_path)
    deadline = time.monotonic() + 100
    while len(list(tmp_path.glob("outputs/store/*/*.lock"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    workers = workers_of(process.pid)
    assert len(workers) == 2
    os.kill(process.pid, number)
    done = process.wait(30)
    assert done.returncode == code and "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line and not line.startswith("output layer")]
    assert lines == ([] if number == signal.SIGKILL else ["stopped; the same command resumes from here"])
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < deadline + 30
        time.sleep(0.1)


def workers_of(parent: int) -> list[int]:
    """The processes that know `parent` as that of their sweep."""
    workers = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            command = (path.parent / "cmdline").read_bytes()
            if f"{PARENT}={parent}".encode() in path.read_bytes().split(b"\0") and b"popen_loky" in command:
                workers.append(int(path.parent.name))
        except OSError:
            continue
    return workers
