"""A sealed file comes back as it was, or not at all."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lth.core.errors import LotteryError
from lth.core.sealed import read_sealed, write_sealed
from lth.core.sealed_json import DamagedFileError
from lth.core.weights import digest

TENSORS = {
    "w": torch.tensor([[1.0, 0.1]]).T,
    "n": torch.tensor(7),
    "none": torch.zeros(0, 3),
    "b": torch.tensor([True]),
}
BODY = {"b": [1, 0.1, None, "é"], "a": {"x": {"y": 1e-300}}}


def test_tensors_and_body_come_back_bit_by_bit(tmp_path: Path) -> None:
    write_sealed(tmp_path / "new" / "s", TENSORS, BODY)
    tensors, body = read_sealed(tmp_path / "new" / "s")
    assert digest(tensors) == digest(TENSORS) and body == BODY and os.listdir(tmp_path / "new") == ["s"]


def test_tensors_that_share_memory_are_written_apart(tmp_path: Path) -> None:
    shared = torch.arange(4.0)
    write_sealed(tmp_path / "s", {"a": shared, "b": shared, "c": shared[1:]}, {})
    assert read_sealed(tmp_path / "s")[0]["c"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("bit", range(0, 8, 3))
def test_a_bit_flipped_anywhere_is_noticed_or_means_nothing(tmp_path: Path, bit: int) -> None:
    write_sealed(tmp_path / "s", TENSORS, BODY)
    data, unnoticed = (tmp_path / "s").read_bytes(), []
    for index in range(len(data)):
        (tmp_path / "s").write_bytes(data[:index] + bytes([data[index] ^ (1 << bit)]) + data[index + 1 :])
        try:
            tensors, body = read_sealed(tmp_path / "s")
        except DamagedFileError:
            continue
        if digest(tensors) != digest(TENSORS) or body != BODY:
            unnoticed.append(index)
    assert unnoticed == []


def test_another_file_is_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("hello")
    save_file({"x": torch.zeros(1)}, tmp_path / "bare")
    save_file({"x": torch.zeros(1)}, tmp_path / "half", metadata={"sealed": "{}"})
    for name in ("folder", "text", "bare", "half", "missing"):
        with pytest.raises(DamagedFileError):
            read_sealed(tmp_path / name)


def test_a_sealed_file_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LotteryError, match=str(tmp_path / "file" / "s")):
        write_sealed(tmp_path / "file" / "s", TENSORS, BODY)
