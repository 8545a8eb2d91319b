"""Prepared files: read whole and unchanged, or one line that says what is wrong."""

import os
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from lth.core.errors import DataError
from lth.data.prepared import read_prepared, write_prepared
from lth.data.raw import RawData
from lth.data.sources import load
from tests.data.test_sources import same, tiny


def test_a_damaged_prepared_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "digits.safetensors"
    save_file(tiny(), path)
    complete = path.read_bytes()
    for content in (complete[:-1], complete[:50], complete[:4], b"", b"not a tensor in sight", complete + b"x"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=str(path)):
            load("digits", tmp_path)
    assert os.listdir(tmp_path) == ["digits.safetensors"]


def test_another_file_in_its_place_is_an_error_that_names_it(tmp_path: Path) -> None:
    save_file({key: x for key, x in tiny().items() if key != "test_labels"}, tmp_path / "a.safetensors")
    with pytest.raises(DataError, match=r"a\.safetensors has no test_labels"):
        read_prepared(tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").mkdir()
    with pytest.raises(DataError, match=r"b\.safetensors"):
        load("b", tmp_path)


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A prepared file without a digest, as another program writes it."""
    save_file(tiny(), tmp_path / "mine.safetensors")
    return tmp_path / "mine.safetensors"


@pytest.mark.parametrize("written_by_lth", [False, True])
@pytest.mark.parametrize("byte", [0, 20, -1])
def test_a_changed_bit_is_seen_whoever_wrote_the_file(prepared: Path, written_by_lth: bool, byte: int) -> None:
    if written_by_lth:
        write_prepared(prepared, RawData(tiny()))
    assert same(read_prepared(prepared), tiny())
    content = bytearray(prepared.read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    content[start + byte if byte >= 0 else byte] ^= 1
    prepared.write_bytes(bytes(content))
    message = rf"{re.escape(str(prepared))} is damaged or was replaced: .*on purpose, delete mine\.safetensors\.digest"
    with pytest.raises(DataError, match=message):
        read_prepared(prepared)
    (prepared.parent / "mine.safetensors.digest").unlink()
    assert not same(read_prepared(prepared), tiny())


def test_a_file_that_is_made_again_has_a_new_digest(prepared: Path) -> None:
    read_prepared(prepared)
    write_prepared(prepared, RawData(tiny(5)))
    assert same(read_prepared(prepared), tiny(5))


def test_a_digest_that_cannot_be_kept_is_no_problem(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **how: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", full)
    assert same(read_prepared(prepared), tiny()) and os.listdir(prepared.parent) == [prepared.name]


@pytest.mark.parametrize("content", [b"", b"damaged", b"\xff" * 32, b"0" * 31])
def test_a_damaged_digest_is_one_line(prepared: Path, content: bytes) -> None:
    (prepared.parent / "mine.safetensors.digest").write_bytes(content)
    with pytest.raises(DataError, match=r"mine\.safetensors\.digest .*delete it, and it is written again"):
        read_prepared(prepared)


@pytest.mark.parametrize("place", ["mine.safetensors", "mine.safetensors.digest"])
def test_a_named_pipe_holds_nothing_up(prepared: Path, place: str) -> None:
    (prepared.parent / place).unlink(missing_ok=True)
    os.mkfifo(prepared.parent / place)
    with pytest.raises(DataError, match="a named pipe"):
        read_prepared(prepared)


def test_a_dtype_is_a_part_of_the_digest(prepared: Path) -> None:
    read_prepared(prepared)
    tensors = load_file(prepared)
    save_file(tensors | {"train_labels": tensors["train_labels"].to(torch.float64)}, prepared)
    with pytest.raises(DataError, match="damaged or was replaced"):
        read_prepared(prepared)
