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
from lth.core.files import clear_leftovers, leftovers, replacing, write_bytes, write_csv, write_json, write_text
from tests.kills import ended, forked


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


def killed_while_writing(path: Path) -> Path:
    """The temporary file that a process leaves which is killed while it writes `path`."""

    def write() -> None:
        with replacing(path) as temporary:
            temporary.write_bytes(b"half")
            os._exit(0)

    ended(forked(write))
    (temporary,) = path.parent.glob(f".{path.name}.*.part")
    return temporary


def test_what_a_killed_process_left_goes_when_the_file_is_written_again(tmp_path: Path) -> None:
    left = killed_while_writing(tmp_path / "a.txt")
    (tmp_path / ".a.txt.old.part").touch()  # of another program
    write_text(tmp_path / "b.txt", "of another file")
    assert left.exists()
    write_text(tmp_path / "a.txt", "new")
    assert sorted(os.listdir(tmp_path)) == [".a.txt.old.part", "a.txt", "b.txt"]


def test_what_another_process_is_writing_stays(tmp_path: Path) -> None:
    with replacing(tmp_path / "a.txt") as first, replacing(tmp_path / "a.txt") as second:
        assert first.exists() and second.exists() and first != second
        clear_leftovers(tmp_path)
        assert leftovers(tmp_path) == [] and first.exists()
        first.write_text("1")
        second.write_text("2")
    assert os.listdir(tmp_path) == ["a.txt"]


def test_only_regular_files_are_leftovers(tmp_path: Path) -> None:
    (tmp_path / "theirs").touch()
    (tmp_path / ".a.aaaaaaaa.part").symlink_to(tmp_path / "theirs")
    os.mkfifo(tmp_path / ".a.bbbbbbbb.part")
    (tmp_path / ".a.cccccccc.part").mkdir()
    clear_leftovers(tmp_path)
    assert len(os.listdir(tmp_path)) == 4


def test_the_folder_of_a_lasting_file_is_synced_after_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    def fsync(handle: int) -> None:
        names = os.listdir(handle) if stat.S_ISDIR(os.fstat(handle).st_mode) else []
        synced.append(" ".join(names) or "file")

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(tmp_path / "new" / "a", "")
    assert synced == ["new", "file", "a"]
    synced.clear()
    write_text(tmp_path / "new" / "a", "", lasting=False)
    assert synced == ["file"]


def test_a_link_that_leads_out_of_a_folder_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "mine" / "figures").symlink_to(tmp_path / "theirs")
    for name in ("figures/a", "figures/deeper/a", "../a"):
        with pytest.raises(LotteryError, match="a link leads out of"):
            write_text(tmp_path / "mine" / name, "", folder=tmp_path / "mine")
    write_text(tmp_path / "mine" / "figures" / "a", "")  # the user's own folders may be links
    assert os.listdir(tmp_path / "theirs") == ["a"]


def test_a_link_in_place_of_a_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("precious")
    (tmp_path / "a").symlink_to(tmp_path / "theirs")
    write_text(tmp_path / "a", "new")
    assert (tmp_path / "theirs").read_text() == "precious" and (tmp_path / "a").read_text() == "new"


def test_a_file_may_be_named_by_its_content(tmp_path: Path) -> None:
    with replacing(tmp_path / "a", named=lambda path: f"a-{path.read_text()}") as temporary:
        temporary.write_text("1")
    assert os.listdir(tmp_path) == ["a-1"]
