"""The digest of splits is kept beside their prepared file, and is never that of other splits."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lth.data import splits
from lth.data.preparation import prepare
from lth.data.prepared import write_prepared
from lth.data.raw import RawData
from lth.data.sources import load
from lth.data.splits import SPLITS, remember_digest
from lth.data.tensors import Data

HOW = {"validation": 1, "normalize": "standard", "split_seed": 0}


def tiny() -> dict[str, torch.Tensor]:
    """Twelve examples of two classes, as bytes."""
    images, labels = torch.arange(12 * 9).reshape(12, 1, 3, 3).to(torch.uint8), torch.arange(12) % 2
    return {"train_images": images, "train_labels": labels, "test_images": images + 1, "test_labels": labels.clone()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A prepared file."""
    path = tmp_path / "tiny.safetensors"
    write_prepared(path, RawData(tiny()))
    return path


def made(file: Path, **how: object) -> Data:
    """The splits of a prepared file, with their digest as it is remembered."""
    tensors = load("tiny", file.parent)
    data = prepare("tiny", tensors, **HOW | how, content=tensors.digest)
    assert tensors.file == file
    remember_digest(data, file, **HOW | how)
    return data


def test_it_is_computed_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = made(file).digest
    monkeypatch.setattr("lth.data.tensors.digest", lambda tensors: pytest.fail("computed again"))
    assert made(file).digest == digest


@pytest.mark.parametrize(
    "change", [{"validation": 2}, {"normalize": "unit"}, {"split_seed": 1}, "content", "code", "machine"], ids=str
)
def test_whatever_changes_the_splits_has_a_digest_of_its_own(
    file: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, object] | str
) -> None:
    first, how = made(file).digest, change if isinstance(change, dict) else {}
    if change == "content":
        images = tiny()["train_images"]
        write_prepared(file, RawData(tiny() | {"train_images": images.flip(0)}))
    elif change == "code":
        monkeypatch.setattr(splits, "_code", lambda: "another")
    elif change == "machine":
        monkeypatch.setattr(splits, "describe", lambda device: {"torch": "another"})
    data = made(file, **how)
    assert data.digest == replace(data).digest  # computed, for the copy remembers nothing
    assert (data.digest == first) == (change in ("code", "machine"))
    kept = splits._read(file.with_name(file.name + SPLITS))
    assert len(kept) == 2 and set(kept.values()) == {first, data.digest}


@pytest.mark.parametrize("content", [b"", b"{}", b'{"checksum": "0", "body": {}}', b"\xff", None])
def test_a_damaged_file_of_digests_is_made_again(file: Path, content: bytes | None) -> None:
    place = file.with_name(file.name + SPLITS)
    digest = made(file).digest
    if content is None:
        place.unlink()
        place.mkdir()
    else:
        place.write_bytes(content)
    assert made(file).digest == digest
    assert content is None or splits._read(place)


def test_a_folder_that_others_keep_is_left_alone(file: Path) -> None:
    tensors = load("tiny", file.parent, keep=False)
    remember_digest(prepare("tiny", tensors, **HOW, content=tensors.digest), file, keep=False, **HOW)
    assert not file.with_name(file.name + SPLITS).exists()


def test_floats_of_the_users_stay_as_they_are() -> None:
    tensors = {key: x / 100 if "images" in key else x for key, x in tiny().items()}
    images = tensors["test_images"]
    kept = images.clone()
    for normalize in ("standard", "unit", "none"):
        data = prepare("floats", tensors, validation=3, normalize=normalize)
        assert torch.equal(images, kept) and data.nonfinite is None
