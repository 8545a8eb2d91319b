"""Where data come from: made once, kept completely, and a clear error where they cannot be loaded."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

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
