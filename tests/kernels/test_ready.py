"""Compiled code: kept under a digest of its sources, shared by processes, and never the cause of a traceback."""

import logging
import multiprocessing
import sys
from pathlib import Path

import numpy as np
import pytest

from lth.kernels import compiled, ready


def doubled(x):
    return x * 2


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty folder for compiled code."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(compiled, "_functions", [])
    compiled.folder.cache_clear()
    yield compiled.folder()
    compiled.folder.cache_clear()


@pytest.mark.parametrize("part", ready.PARTS)
def test_this_machine_is_ready(part):
    assert ready.ready(part) is None


def test_without_numba_the_reason_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "lth.kernels.compiled", None)
    reason = ready.ready.__wrapped__("layers")
    assert reason.startswith("numba cannot be imported: ") and "\n" not in reason


@pytest.mark.parametrize(
    ("outcome", "reason"), [(RuntimeError("no target\nfor z80"), "no target for z80"), (1.0, "wrong results")]
)
def test_what_compiling_raises_or_computes_is_the_reason(monkeypatch, outcome, reason):
    def trial():
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr("lth.kernels.self_test.layer_error", trial)
    assert reason in ready.ready.__wrapped__("layers") and "\n" not in ready.ready.__wrapped__("layers")


def test_compiling_is_told_before_and_after_and_loading_is_not(elsewhere, caplog):
    caplog.set_level(logging.INFO)
    for lines in (2, 0):
        caplog.clear()
        with compiled.compiling("layers"):
            compiled.compiled(doubled)(2.0)
        assert len(caplog.messages) == lines
    assert any(elsewhere.rglob("*.nbi"))


def test_where_nothing_can_be_written_each_process_compiles(elsewhere, monkeypatch):
    def refuse(*_):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr("numba.core.caching.FunctionCache.__init__", refuse)
    with compiled.compiling("layers"):
        assert compiled.compiled(doubled)(2.0) == 4


def test_a_change_of_any_file_has_another_folder(elsewhere, monkeypatch, tmp_path):
    copies = tmp_path / "kernels"
    copies.mkdir()
    for path in Path(compiled.__file__).parent.glob("*.py"):
        (copies / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(compiled, "__file__", str(copies / "compiled.py"))
    compiled.folder.cache_clear()
    assert compiled.folder() == elsewhere
    (copies / "vectors.py").write_text("changed")
    compiled.folder.cache_clear()
    assert compiled.folder() != elsewhere


def _doubles(kinds: list[str]) -> None:
    function = compiled.compiled(doubled)
    with compiled.compiling("layers"):
        for kind in kinds:
            x = np.array([1, 2], kind)
            assert (function(x) == 2 * x).all()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_processes_that_compile_at_once_share_the_code(elsewhere):
    context = multiprocessing.get_context("fork")
    kinds = ["f4", "f8", "i8", "i4"]
    workers = [context.Process(target=_doubles, args=(kinds[start:] + kinds[:start],)) for start in (0, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    _doubles(kinds)
    assert compiled._missed() == 0
