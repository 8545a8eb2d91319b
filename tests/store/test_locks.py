"""One process at a time; whoever waits says for whom, and no file is harmed by being in a lock's place."""

import errno
import fcntl
import logging
import os
import platform
import signal
import time

import pytest

from lth.core.errors import LotteryError
from lth.store.locks import is_held, locked
from tests.kills import ended, forked


def held(path, seconds=0):
    return locked(path, "run x", path.parent, seconds)


def test_a_lock_is_held_within_and_free_afterwards(tmp_path):
    path = tmp_path / "x.lock"
    assert not is_held(path)
    for _ in range(2):  # the second finds the file of the first
        with held(path):
            assert is_held(path)
        assert not is_held(path)


def test_who_waits_names_the_holder_and_gives_up_in_time(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    path, began = tmp_path / "x.lock", time.monotonic()
    holder = rf"process {os.getpid()} on {platform.node()}, since \d{{4}}-"
    message = f"run x is locked by {holder}.*store.lock_seconds=0.2"
    with held(path), pytest.raises(LotteryError, match=message), held(path, 0.2):
        pass
    assert 0.2 <= time.monotonic() - began < 5
    assert (
        caplog.messages[0].startswith(f"run x is being trained: waiting for process {os.getpid()} on")
        and len(caplog.messages) == 1
    )


def test_a_holder_that_is_stopped_is_said_to_be(tmp_path, caplog):
    path = tmp_path / "x.lock"

    def stop():
        with held(path):
            os.kill(os.getpid(), signal.SIGSTOP)

    child = forked(stop)
    os.waitpid(child, os.WUNTRACED)
    try:
        with pytest.raises(LotteryError, match=f"process {child} on .*which is stopped"), held(path):
            pass
        assert [record.levelname for record in caplog.records] == ["WARNING"]
    finally:
        os.kill(child, signal.SIGCONT)
        assert ended(child) == 0
    with held(path):
        pass


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "folder"])
def test_what_is_no_lock_file_is_refused_and_left_as_it_is(tmp_path, kind):
    path, theirs = tmp_path / "x.lock", tmp_path / "theirs"
    theirs.write_text("precious")
    makes = {"link": lambda: path.symlink_to(theirs), "dangling link": lambda: path.symlink_to(tmp_path / "new")}
    makes |= {"pipe": lambda: os.mkfifo(path), "folder": path.mkdir}
    makes[kind]()
    with pytest.raises(LotteryError, match=f"cannot write {path}"), held(path):
        pass
    with pytest.raises(LotteryError, match=f"cannot read {path}") if kind != "folder" else pytest.raises(LotteryError):
        is_held(path)
    assert theirs.read_text() == "precious" and not (tmp_path / "new").exists()


@pytest.mark.parametrize("hard", [True, False])
def test_a_file_that_no_holder_wrote_keeps_its_content(tmp_path, hard):
    path, theirs = tmp_path / "x.lock", tmp_path / "theirs"
    theirs.write_text("precious")
    os.link(theirs, path) if hard else path.write_text("precious")
    with held(path):
        assert path.read_text() == "precious"
        with pytest.raises(LotteryError, match="by another process"), held(path):
            pass


def test_a_lock_file_that_its_holder_removes_is_made_again(tmp_path, monkeypatch):
    """Between opening it and locking it."""
    path, lock = tmp_path / "x.lock", fcntl.flock
    path.touch()

    def slow(handle, how):
        monkeypatch.undo()
        path.unlink()
        lock(handle, how)

    monkeypatch.setattr(fcntl, "flock", slow)
    with held(path):
        assert path.exists() and is_held(path)


def test_a_file_system_without_locks_is_an_error_that_says_what_to_do(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    message = "No locks available; put the store on a file system with file locks"
    with pytest.raises(LotteryError, match=message), held(tmp_path / "x.lock"):
        pass


def test_a_link_above_a_lock_is_not_followed(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "store" / "ab").symlink_to(tmp_path / "theirs")
    lock = locked(tmp_path / "store" / "ab" / "x.lock", "run x", tmp_path / "store")
    with pytest.raises(LotteryError, match="a link leads out of"), lock:
        pass
    assert not list((tmp_path / "theirs").iterdir())
