"""Label noise: an exact count, never the same class, in training alone, by a seed of its own."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth.core.errors import SettingError
from lth.data.label_noise import CONFUSED, KINDS, with_label_noise
from lth.data.preparation import prepare
from lth.data.tensors import Data, Split
from lth.settings import NOISES, DataSettings, hash_of


def data(classes: int, name: str = "some", examples: int = 97) -> Data:
    labels = torch.arange(examples) % classes
    images = torch.arange(examples).float()[:, None]
    parts = {"train_images": images, "train_labels": labels, "test_images": images, "test_labels": labels}
    return prepare(name, parts, validation=20, normalize="none")


@given(st.sampled_from(["symmetric", "pair"]), st.integers(2, 12), st.floats(0.01, 1), st.integers(0, 50))
def test_so_many_labels_are_wrong_and_nothing_else_changes(kind: str, classes: int, share: float, seed: int) -> None:
    clean = data(classes)
    noisy = with_label_noise(clean, share, kind, seed)
    wrong = noisy.train.labels != clean.train.labels
    assert int(wrong.sum()) == round(share * len(clean.train))
    assert int(noisy.train.labels.min()) >= 0 and int(noisy.train.labels.max()) < classes == noisy.classes
    assert torch.equal(noisy.train.images, clean.train.images)
    for split in ("validation", "test"):
        assert getattr(noisy, split) is getattr(clean, split)
    if kind == "pair":
        assert torch.equal(noisy.train.labels[wrong], (clean.train.labels[wrong] + 1) % classes)


@pytest.mark.parametrize("name", CONFUSED)
def test_asymmetric_noise_is_in_classes_that_are_alike(name: str) -> None:
    clean = data(10, name, 500)
    noisy = with_label_noise(clean, 0.25, "asymmetric", 0)
    wrong = noisy.train.labels != clean.train.labels
    candidates = sum(int((clean.train.labels == label).sum()) for label in CONFUSED[name])
    assert int(wrong.sum()) == round(0.25 * candidates)
    pairs = zip(clean.train.labels[wrong].tolist(), noisy.train.labels[wrong].tolist(), strict=True)
    assert all(CONFUSED[name][label] == other for label, other in pairs)
    with pytest.raises(
        SettingError, match="label_noise_kind=asymmetric: is known for mnist and cifar10 alone, not for"
    ):
        with_label_noise(data(10), 0.2, "asymmetric", 0)


def test_symmetric_noise_takes_every_other_class_alike() -> None:
    labels = torch.zeros(9000, dtype=torch.int64)
    split = Split(torch.zeros(9000, 1), labels)
    rest = Split(torch.zeros(4, 1), torch.arange(4))
    noisy = with_label_noise(Data("zeros", split, rest, rest, 4), 1.0, "symmetric", 0)
    assert all(abs(count - 3000) < 200 for count in noisy.train.labels.bincount(minlength=4)[1:].tolist())
    assert int((noisy.train.labels == 0).sum()) == 0


def test_the_seed_alone_says_which_and_the_digest_tells_them_apart() -> None:
    first, again, other = (with_label_noise(data(5), 0.2, "symmetric", seed) for seed in (0, 0, 1))
    assert first.digest == again.digest != other.digest and data(5).digest != first.digest
    clean = data(5)
    assert with_label_noise(clean, 0.0, "symmetric", 3) is clean


def test_settings_without_noise_hash_as_before_there_was_any() -> None:
    plain, kind = DataSettings(name="mnist"), DataSettings(name="mnist", label_noise_kind="pair")
    noisy = [DataSettings(name="mnist", label_noise=0.2, label_noise_kind=kind) for kind in KINDS]
    for name in ("setting", "replicate"):
        hashes = [hash_of(settings, name, 10) for settings in noisy]
        assert hash_of(plain, name, 10) == hash_of(kind, name, 10) and len({hash_of(plain, name, 10), *hashes}) == 4
    assert NOISES == KINDS


def test_noise_is_for_classes() -> None:
    split = Split(torch.zeros(4, 1), torch.zeros(4))
    with pytest.raises(SettingError, match="is for labels that are classes"):
        with_label_noise(Data("values", split, split, split, 1), 0.5, "symmetric", 0)
