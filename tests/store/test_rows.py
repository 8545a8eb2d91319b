"""Rows of results come back as they were kept, or are known to be damaged."""

import json
import os
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth.core.sealed_json import DamagedFileError
from lth.store.layout import row_file, row_files, run_of_row, store_of_row
from lth.store.rows import keep_row, read_row

ROW = {"setting": "one", "seed": 3, "level": 2, "arm": "ticket", "draw": 0, "run": "ab" * 10, "density": 0.5}


def test_a_row_lies_apart_from_its_run_and_is_written_once(tmp_path):
    for _ in range(2):
        keep_row(tmp_path, ROW | {"_in_memory": object()})
        (path,) = row_files(tmp_path)
        assert path == tmp_path / "rows" / "ab" / ("ab" * 10) / "one-seed3-level02-ticket-0.json"
        assert read_row(path) == ROW and (store_of_row(path), run_of_row(path)) == (tmp_path, ROW["run"])
        path.chmod(0o400)
        written = path.stat().st_mtime_ns
    keep_row(tmp_path, ROW)
    assert path.stat().st_mtime_ns == written
    path.chmod(0o600)
    path.write_bytes(b"\xff")
    keep_row(tmp_path, ROW)
    keep_row(tmp_path, ROW | {"density": 0.25})
    assert read_row(path) == ROW | {"density": 0.25}


def test_a_row_of_an_older_store_is_read_and_one_that_was_kept_since_counts(tmp_path):
    old = tmp_path / "ab" / ROW["run"] / "rows" / row_file(tmp_path, ROW).name
    old.parent.mkdir(parents=True)
    old.write_text(json.dumps(ROW))
    assert row_files(tmp_path) == [old] and read_row(old) == ROW
    assert (store_of_row(old), run_of_row(old)) == (tmp_path, ROW["run"])
    keep_row(tmp_path, ROW)
    assert row_files(tmp_path) == [row_file(tmp_path, ROW)] and not old.exists()
    old.write_text(json.dumps(ROW | {"density": 0.25}))
    assert row_files(tmp_path) == [row_file(tmp_path, ROW)]


@given(st.integers(0, 10**6), st.integers(0, 7))
def test_a_bit_flipped_anywhere_is_noticed_or_means_nothing(tmp_path_factory, place, bit):
    folder = tmp_path_factory.getbasetemp() / "flipped"
    keep_row(folder, ROW)
    (path,) = row_files(folder)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(content)
    with suppress(DamagedFileError):
        assert read_row(path) == ROW
    path.unlink()


@pytest.mark.parametrize(
    "content", ["", "[]", "1", "[" * 100_000, '{"body": {}, "checksum": "0"}', '{"body": {}}', "{}"]
)
def test_what_is_no_row_is_damaged(tmp_path, content):
    (tmp_path / "row.json").write_text(content)
    with pytest.raises(DamagedFileError):
        read_row(tmp_path / "row.json")


def test_a_pipe_in_place_of_a_row_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "row.json")
    with pytest.raises(OSError, match="named pipe"):
        read_row(tmp_path / "row.json")
