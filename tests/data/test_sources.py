"""Where data come from: made once, kept completely, and a clear error where they cannot be loaded."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lth.core.errors import DataError, LotteryError, SettingError
from lth.data import sources
from lth.data.checks import NAMES
from lth.data.preparation import prepare
from lth.data.sources import custom, default_root, load


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
    assert sorted(os.listdir(tmp_path)) == ["digits.safetensors", "digits.safetensors.digest"] and same(first, tiny())
    written = (tmp_path / "digits.safetensors").stat().st_mtime_ns
    assert same(load("digits", tmp_path), first) and calls == [tmp_path]
    assert (tmp_path / "digits.safetensors").stat().st_mtime_ns == written


def test_a_prepared_file_of_any_name_is_used(tmp_path: Path) -> None:
    save_file(tiny() | {"more": torch.zeros(1)}, tmp_path / "mine.safetensors")
    assert same(load("mine", tmp_path), tiny())


def test_an_unknown_name_is_an_error_that_says_what_is_known(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=f"data=mine: .*{tmp_path}/mine.safetensors.*mnist1d.*custom"):
        load("mine", tmp_path)


@pytest.mark.parametrize("name", ["../mine", "/mine", "a/b", "a\\b", "", ".", "..", ".mine", "a\n", "a\0", "x" * 300])
def test_a_path_is_no_name_of_a_data_set(tmp_path: Path, name: str) -> None:
    save_file(tiny(), tmp_path / "mine.safetensors")
    (tmp_path / "root").mkdir()
    with pytest.raises(SettingError, match=r"data\.name=.*is no name of a data set"):
        load(name, tmp_path / "root")


def test_a_folder_that_may_not_be_written_to_is_read_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_DATA", str(tmp_path / "mine"))
    monkeypatch.setitem(sources.SOURCES, "digits", lambda root: tiny())
    assert same(load("digits", tmp_path / "theirs", keep=False), tiny())
    assert os.listdir(tmp_path) == ["mine"] and len(os.listdir(tmp_path / "mine")) == 2
    (tmp_path / "theirs").mkdir()
    save_file(tiny(5), tmp_path / "theirs" / "digits.safetensors")
    assert same(load("digits", tmp_path / "theirs", keep=False), tiny(5))
    assert os.listdir(tmp_path / "theirs") == ["digits.safetensors"]


@pytest.mark.parametrize("text", ["~nobody_of_that_name/x", "~nobody_of_that_name"])
def test_a_home_folder_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("LTH_DATA", text)
    with pytest.raises(SettingError, match=f"LTH_DATA={text}: there is no such home folder"):
        default_root()


def test_a_root_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    assert load("digits", tmp_path / "file" / "root")["train_images"].shape == (1297, 1, 8, 8)
    assert "not kept" in caplog.text and str(tmp_path) in caplog.text


def test_the_root_is_lth_data_else_the_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTH_DATA", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert default_root() == Path("/a")
    monkeypatch.setenv("LTH_DATA", "~/a")
    assert default_root() == Path.home() / "a"
    monkeypatch.setenv("LTH_DATA", "")
    assert default_root() == Path("/b/lth")
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

def failing(name="images"):
    return {}[name]

def leaving():
    raise SystemExit("bye")

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
    with pytest.raises(
        LotteryError, match=rf"{forms}.failing raised KeyError: 'images' \(users_forms.py, line \d+\)"
    ) as raised:
        custom(f"{forms}.failing", {})
    assert isinstance(raised.value.__cause__, KeyError)
    with pytest.raises(LotteryError, match="raised SystemExit: bye"):
        custom(f"{forms}.leaving", {})
    for target in (f"{forms}.absent", "no_such_module.f", "f", "", f"{forms}.number", "torch.zeros"):
        with pytest.raises(SettingError, match=f"data._target_={target}: "):
            custom(target, {})
