"""Files are complete or not there."""

import json
import os
import resource
import stat
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lth.core.errors import LotteryError
from lth.core.files import replacing, write_bytes, write_csv, write_json, write_text


def test_a_file_is_written_in_new_folders_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.txt"
    write_text(path, "one é\n")
    write_text(path, "two é\n")
    assert path.read_text(encoding="utf-8") == "two é\n"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(1)], ids=repr)
def test_a_failing_write_leaves_the_old_file_and_no_other(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(type(error)), replacing(path) as temporary:
        temporary.write_bytes(b"half of the n")
        raise error
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with replacing(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old" and temporary.parent == path.parent
    assert path.read_bytes() == b"new"


def test_an_unwritable_folder_is_an_error_that_names_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "folder" / "results.csv"
    with pytest.raises(LotteryError, match=str(path)):
        write_text(path, "x")


def test_a_folder_in_the_place_of_the_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "taken" / "inside").mkdir(parents=True)
    with pytest.raises(LotteryError, match=str(tmp_path / "taken")):
        write_text(tmp_path / "taken", "x")
    assert os.listdir(tmp_path) == ["taken"]


@pytest.mark.parametrize("kind", ["bytes", "tensors"])
def test_a_full_disk_is_an_error_that_names_the_path(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # files above 4 KiB fail as on a full disk
    try:
        with pytest.raises(LotteryError, match=str(path)), replacing(path) as temporary:
            if kind == "bytes":
                temporary.write_bytes(bytes(9000))
            else:
                save_file({"x": torch.zeros(9000)}, temporary)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_file_has_the_rights_of_any_other(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_bytes(tmp_path / "file", b"")
        with replacing(tmp_path / "tensors") as temporary:
            save_file({"x": torch.zeros(1)}, temporary)
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    for name in ("file", "tensors"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~mask


def test_json_goes_and_comes_back(tmp_path: Path) -> None:
    value = {"b": [0.1, None, "é"], "a": {"x": 1}}
    write_json(tmp_path / "x.json", value)
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == value


def test_csv_has_the_columns_asked_for_and_empty_cells_for_none(tmp_path: Path) -> None:
    write_csv(tmp_path / "x.csv", ["a", "b", "c"], [{"b": 0.1, "a": None}, {"a": 0, "b": "x,y", "c": 1}])
    assert (tmp_path / "x.csv").read_text() == 'a,b,c\n,0.1,\n0,"x,y",1\n'


def test_csv_refuses_a_value_without_a_column(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="extra"):
        write_csv(tmp_path / "x.csv", ["a"], [{"a": 1, "extra": 2}])
    assert not (tmp_path / "x.csv").exists()
