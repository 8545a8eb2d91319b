"""Files are read through one door: what is no regular file is refused at once, whatever it is."""

import os
import socket
from pathlib import Path

import pytest

from lth.core.reading import opened, read_bytes, read_json, read_text, regular


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.mkdir()


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nothing"))


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize("make", [_pipe, _folder, _device, _loop, _dangling, _socket])
@pytest.mark.parametrize("read", [regular, opened, read_bytes, read_text, read_json])
def test_what_is_no_file_is_an_error_that_names_it_and_no_wait(make, read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    path = Path("thing")
    make(path)
    with pytest.raises(OSError) as caught:
        read(path)
    assert caught.value.filename == str(path) and caught.value.strerror


def test_a_file_and_a_link_to_it_are_read(tmp_path):
    (tmp_path / "a.json").write_text('{"a": [1, "é"]}', encoding="utf-8")
    link = tmp_path / "link.json"
    link.symlink_to("a.json")
    for path in (tmp_path / "a.json", link):
        assert read_json(path) == {"a": [1, "é"]}
        assert read_text(regular(path)).encode() == read_bytes(path)
