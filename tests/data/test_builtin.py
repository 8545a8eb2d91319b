"""The built-in data sets: complete, in their published order, and a clear error where a download fails."""

import gzip
import os
import pickle
import random
import shutil
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import load_file

from lth.core.errors import DataError
from lth.data.checks import NAMES
from lth.data.preparation import prepare
from lth.data.sources import load


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return set(first) == set(second) == set(NAMES) and all(torch.equal(first[key], second[key]) for key in NAMES)


def write_idx(folder: Path) -> dict[str, torch.Tensor]:
    """Torchvision's four MNIST files, with 5 training and 3 test images; the tensors that they hold."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for part, prefix, count in (("train", "train", 5), ("test", "t10k", 3)):
        images = np.arange(count * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(count, 28, 28)
        labels = np.arange(count, dtype=np.uint8)
        header = struct.pack(">4I", 2051, count, 28, 28)
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 2049, count) + labels.tobytes())
        tensors[f"{part}_images"] = torch.from_numpy(images)[:, None]
        tensors[f"{part}_labels"] = torch.from_numpy(labels).long()
    return tensors


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A download fails as it does without a network, after it has written something."""

    def download(self: Any) -> None:
        Path(self.raw_folder).mkdir(parents=True)
        (Path(self.raw_folder) / "train-images-idx3-ubyte.gz").write_bytes(b"half of")
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz:\nTried https://a, got:\nno route to host")

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", download)


def test_digits_are_the_whole_set_of_scikit_learn(tmp_path: Path) -> None:
    tensors = load("digits", tmp_path)
    assert tensors["train_images"].shape == (1297, 1, 8, 8) and tensors["test_images"].shape == (500, 1, 8, 8)
    assert tensors["train_images"].min() == 0 and tensors["train_images"].max() == 1
    assert tensors["train_labels"][:10].tolist() == list(range(10)) and tensors["test_labels"].dtype == torch.int64
    assert prepare("digits", tensors, validation=97).classes == 10


def test_the_raw_folder_of_torchvision_is_enough(tmp_path: Path) -> None:
    tensors = write_idx(tmp_path / "MNIST" / "raw")
    assert same(load("mnist", tmp_path), tensors)
    shutil.rmtree(tmp_path / "MNIST")
    assert same(load("mnist", tmp_path), tensors)


@pytest.mark.parametrize("name", ["fashion_mnist", "kmnist"])
def test_each_set_has_its_own_raw_folder(tmp_path: Path, name: str) -> None:
    tensors = write_idx(tmp_path / {"fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}[name] / "raw")
    assert same(load(name, tmp_path), tensors)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_the_folder_of_cifar_is_enough_and_gives_channels_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(torchvision.datasets.cifar, "check_integrity", lambda *_: True)
    kind = torchvision.datasets.CIFAR10 if name == "cifar10" else torchvision.datasets.CIFAR100
    folder, key = tmp_path / kind.base_folder, kind.meta["key"]
    folder.mkdir()
    images = torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8)
    for file, _ in (*kind.train_list, *kind.test_list):
        entry = {"data": images.reshape(2, -1).numpy(), "labels": [1, 0], "fine_labels": [1, 0]}
        (folder / file).write_bytes(pickle.dumps(entry))
    (folder / kind.meta["filename"]).write_bytes(pickle.dumps({key: ["a", "b"]}))
    tensors = load(name, tmp_path)
    assert torch.equal(tensors["test_images"], images) and tensors["test_labels"].tolist() == [1, 0]
    assert torch.equal(tensors["train_images"][-2:], images) and len(tensors["train_images"]) == 2 * len(
        kind.train_list
    )


def test_without_network_the_error_says_where_what_and_how(tmp_path: Path) -> None:
    root = tmp_path / "data"
    with pytest.raises(DataError) as caught:
        load("mnist", root)
    for part in (f"not in {root}", "no route to host", "mnist.safetensors", f"{root}/MNIST/raw", "LTH_DATA"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value) and list(root.iterdir()) == []


def test_an_interrupted_download_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(self: Any) -> None:
        write_idx(Path(self.raw_folder))
        raise KeyboardInterrupt

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", download)
    with pytest.raises(KeyboardInterrupt):
        load("mnist", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_download_is_kept_as_the_prepared_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.datasets.MNIST, "download", lambda self: write_idx(Path(self.raw_folder)))
    tensors = load("mnist", tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["mnist.safetensors", "mnist.safetensors.digest"]
    assert len(tensors["test_labels"]) == 3
    assert same(load_file(tmp_path / "mnist.safetensors"), tensors)


@pytest.mark.parametrize("content", ["", "cut off", "<!DOCTYPE html> 404: no such file, saved in the data's place"])
@pytest.mark.parametrize("name", ["t10k-images-idx3-ubyte", "train-labels-idx1-ubyte"])
def test_a_damaged_raw_file_is_an_error_that_names_the_folder(tmp_path: Path, name: str, content: str) -> None:
    folder = tmp_path / "MNIST" / "raw"
    write_idx(folder)
    cut = (folder / name).read_bytes()[:-1]
    (folder / name).write_bytes(cut if content == "cut off" else content.encode())
    with pytest.raises(DataError, match=str(folder)):
        load("mnist", tmp_path)
    assert not (tmp_path / "mnist.safetensors").exists()


def test_packed_raw_files_are_not_mistaken_for_data(tmp_path: Path) -> None:
    """As the mirrors give them: packed. Torchvision wants them unpacked, so the error tells where to put them."""
    folder = tmp_path / "MNIST" / "raw"
    write_idx(folder)
    for file in list(folder.iterdir()):
        file.with_suffix(".gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    with pytest.raises(DataError, match=str(folder)):
        load("mnist", tmp_path)


@pytest.fixture(scope="module")
def mnist1d(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """MNIST-1D as `load` makes it, with both global generators checked."""
    np.random.seed(7)
    random.seed(7)
    tensors = load("mnist1d", tmp_path_factory.mktemp("mnist1d"))
    after = np.random.random(), random.random()
    np.random.seed(7)
    random.seed(7)
    assert after == (np.random.random(), random.random())
    return tensors


@pytest.mark.slow  # generates it twice
def test_mnist1d_trains_on_the_published_examples(mnist1d: dict[str, torch.Tensor]) -> None:
    from mnist1d.data import get_dataset_args, make_dataset

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        published = make_dataset(get_dataset_args())
    assert torch.equal(mnist1d["train_images"], torch.from_numpy(published["x"].astype(np.float32))[:, None, None])
    assert mnist1d["train_labels"].tolist() == published["y"].tolist()


@pytest.mark.slow
def test_mnist1d_has_ten_thousand_test_examples_scaled_like_them(mnist1d: dict[str, torch.Tensor]) -> None:
    train, test = mnist1d["train_images"], mnist1d["test_images"]
    assert train.shape == (4000, 1, 1, 40) and test.shape == (10_000, 1, 1, 40)
    assert mnist1d["test_labels"].bincount().tolist() == [1000] * 10
    assert abs(test.std().item() - train.std().item()) < 0.02 and abs(test.mean().item()) < 0.02
    assert test.double().std().item() == pytest.approx(1.00096, abs=1e-5)  # scaled by its own deviation it would be 1
    assert not {x.numpy().tobytes() for x in train} & {x.numpy().tobytes() for x in test}
