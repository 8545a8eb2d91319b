"""Digests beside tables: an edit is noticed, and neither a kill nor another process is taken for one."""

import logging
import threading
from pathlib import Path

import pytest

from lth.core import digests
from lth.core.digests import DIGESTS, announce, is_changed
from lth.core.tables import Column, Table

TABLE = Table("norms", (Column("level", int), Column("norm", float)))


def changed(path: Path) -> bool:
    return is_changed(path, path.read_bytes())


def test_an_edited_table_is_named_in_one_line_and_read_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = TABLE.write(tmp_path, [{"level": 0, "norm": 0.5}])
    assert TABLE.read(path) and not caplog.records
    path.write_text(path.read_text().replace("0.5", "0.6"))
    with caplog.at_level(logging.WARNING):
        assert TABLE.read(path) == TABLE.read(path) == [{"level": 0, "norm": 0.6}]
    assert [record.message for record in caplog.records] == [f"{path}: edited by hand or damaged since lth wrote it"]


def test_a_folder_without_digests_and_a_table_without_one_are_read_silently(tmp_path: Path) -> None:
    path = TABLE.write(tmp_path, [])
    other = path.rename(tmp_path / "other.csv")
    assert not changed(other)
    (tmp_path / DIGESTS).unlink()
    other.rename(path)
    assert not changed(path)


def test_a_kill_before_or_after_the_table_is_replaced_is_no_edit(tmp_path: Path) -> None:
    path = TABLE.write(tmp_path, [{"level": 0}])
    announce(path, b"level,norm\n9,\n")  # and then the process is killed
    assert not changed(path)
    path.write_bytes(b"level,norm\n9,\n")
    assert not changed(path)


def test_a_torn_line_loses_no_later_digest(tmp_path: Path) -> None:
    path = tmp_path / "norms.csv"
    (tmp_path / DIGESTS).write_bytes(b"0123456789abcdef")
    assert not changed(TABLE.write(tmp_path, [{"level": 0}]))
    path.write_text("level,norm\n")
    assert changed(path)


def test_processes_that_share_a_folder_lose_no_digest(tmp_path: Path) -> None:
    contents = [f"level,norm\n{level},\n".encode() for level in range(40)]
    path = tmp_path / "norms.csv"
    threads = [
        threading.Thread(target=lambda part=part: [announce(path, content) for content in part])
        for part in (contents[::2], contents[1::2])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not any(is_changed(path, content) for content in contents)


def test_digests_that_cannot_be_read_say_nothing_and_do_not_hold_the_reader(tmp_path: Path) -> None:
    path = TABLE.write(tmp_path, [{"level": 0}])
    (tmp_path / DIGESTS).unlink()
    (tmp_path / DIGESTS).mkdir()
    assert TABLE.read(path)
    digests._say.cache_clear()
