"""Where data come from: made once, kept whole, and a clear word where they cannot be had."""

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
from safetensors.torch import load_file, save_file

from lth.core.errors import DataError, SettingError
from lth.data import sources
from lth.data.sources import NAMES, custom, default_root, load, read_prepared
from lth.data.tensors import prepare


def tiny(count: int = 4) -> dict[str, torch.Tensor]:
    """A prepared data set of `count` images in each part."""
    images, labels = torch.arange(count * 4, dtype=torch.uint8).reshape(count, 1, 2, 2), torch.arange(count)
    return {"train_images": images, "train_labels": labels, "test_images": images + 1, "test_labels": labels + 1}


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


def test_data_are_made_once_and_then_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setitem(sources.SOURCES, "digits", lambda root: calls.append(root) or tiny())
    first = load("digits", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["digits.safetensors"] and same(first, tiny())
    written = (tmp_path / "digits.safetensors").stat().st_mtime_ns
    assert same(load("digits", tmp_path), first) and calls == [tmp_path]
    assert (tmp_path / "digits.safetensors").stat().st_mtime_ns == written


def test_a_prepared_file_of_any_name_is_used(tmp_path: Path) -> None:
    save_file(tiny() | {"more": torch.zeros(1)}, tmp_path / "mine.safetensors")
    assert same(load("mine", tmp_path), tiny())


def test_an_unknown_name_is_an_error_that_says_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=f"data=mine: .*{tmp_path}/mine.safetensors.*mnist1d.*custom"):
        load("mine", tmp_path)


def test_a_damaged_prepared_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "digits.safetensors"
    save_file(tiny(), path)
    whole = path.read_bytes()
    for content in (whole[:-1], whole[:50], whole[:4], b"", b"not a tensor in sight", whole + b"x"):
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


def test_a_root_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    assert load("digits", tmp_path / "file" / "root")["train_images"].shape == (1297, 1, 8, 8)
    assert "not kept" in caplog.text and str(tmp_path) in caplog.text


def test_the_root_is_lth_data_else_the_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_DATA", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert default_root() == Path("/a")
    monkeypatch.delenv("LTH_DATA")
    assert default_root() == Path("/b/lth")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert default_root() == Path.home() / ".cache" / "lth"


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
    assert [path.name for path in tmp_path.iterdir()] == ["mnist.safetensors"] and len(tensors["test_labels"]) == 3
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


FORMS = """
import numpy as np
import torch

X, Y = np.arange(12.0).reshape(3, 1, 2, 2), np.array([0, 1, 2])

def mapping(shift=0):
    return {"train_images": X + shift, "train_labels": Y, "test_images": torch.from_numpy(X), "test_labels": Y.tolist()}

def four(shift=0):
    return X + shift, Y, X, Y

def pairs(shift=0):
    return (X + shift, Y), [X, Y]

class Set:
    def __init__(self, shift):
        self.images = X + shift
    def __len__(self):
        return 3
    def __getitem__(self, index):
        return self.images[index], int(Y[index])

def datasets(shift=0):
    return Set(shift), Set(0)

def three():
    return X, Y, X

number = 3
"""


@pytest.fixture
def forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a user's module on the search path."""
    (tmp_path / "users_forms.py").write_text(FORMS)
    monkeypatch.syspath_prepend(tmp_path)
    return "users_forms"


@pytest.mark.parametrize("form", ["mapping", "four", "pairs", "datasets"])
def test_a_users_function_may_give_its_data_in_any_of_four_forms(forms: str, form: str) -> None:
    tensors = custom(f"{forms}.{form}", {"shift": 5})
    assert set(tensors) == set(NAMES) and tensors["train_images"].shape == (3, 1, 2, 2)
    assert tensors["train_images"][0, 0, 0, 0] == 5 and tensors["test_images"][0, 0, 0, 0] == 0
    assert prepare("custom", tensors, normalize="none").train.labels.tolist() == [0, 1, 2]


def test_a_users_target_that_does_not_do_is_an_error_that_names_it(forms: str) -> None:
    with pytest.raises(DataError, match=f"{forms}.three returned 3 values"):
        custom(f"{forms}.three", {})
    for target in (f"{forms}.absent", "no_such_module.f", "f", "", f"{forms}.number", "torch.zeros"):
        with pytest.raises(SettingError, match=f"data._target_={target}: "):
            custom(target, {})


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


def test_mnist1d_has_ten_thousand_test_examples_scaled_like_them(mnist1d: dict[str, torch.Tensor]) -> None:
    train, test = mnist1d["train_images"], mnist1d["test_images"]
    assert train.shape == (4000, 1, 1, 40) and test.shape == (10_000, 1, 1, 40)
    assert mnist1d["test_labels"].bincount().tolist() == [1000] * 10
    assert abs(test.std().item() - train.std().item()) < 0.02 and abs(test.mean().item()) < 0.02
    assert test.double().std().item() == pytest.approx(1.00096, abs=1e-5)  # scaled by its own deviation it would be 1
    assert not {x.numpy().tobytes() for x in train} & {x.numpy().tobytes() for x in test}
