"""Splits are disjoint, normalisation sees the training split alone, and what does not fit together is one line."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth.core.errors import DataError, SettingError
from lth.data.preparation import prepare
from lth.data.tensors import Split


def numbered(train: int = 101, test: int = 7) -> dict[str, torch.Tensor]:
    """Images whose one pixel is their number, so that each can be followed; three classes."""
    images = torch.arange(float(train + test)).reshape(-1, 1, 1, 1)
    labels = torch.arange(train + test) % 3
    parts = {"train": slice(train), "test": slice(train, None)}
    return {f"{part}_{kind}": x[s] for part, s in parts.items() for kind, x in (("images", images), ("labels", labels))}


def numbers(split: Split) -> list[int]:
    return [int(value) for value in split.images.flatten()]


@given(st.integers(0, 98), st.integers(0, 9))
def test_every_example_is_in_one_split_with_its_label(validation: int, seed: int) -> None:
    data = prepare("n", numbered(), validation=validation, split_seed=seed, normalize="none")
    assert (len(data.train), len(data.validation), len(data.test)) == (101 - validation, validation, 7)
    assert sorted(numbers(data.train) + numbers(data.validation)) == list(range(101))
    assert numbers(data.test) == list(range(101, 108))
    for split in (data.train, data.validation, data.test):
        assert [number % 3 for number in numbers(split)] == split.labels.tolist()


def test_the_split_is_drawn_by_its_own_seed() -> None:
    first = prepare("n", numbered(), validation=30, normalize="none")
    torch.rand(5)
    assert numbers(first.validation) == numbers(prepare("m", numbered(), validation=30, normalize="none").validation)
    other = prepare("n", numbered(), validation=30, normalize="none", split_seed=1)
    assert numbers(first.validation) != numbers(other.validation)


def test_standard_takes_mean_and_deviation_of_the_training_split_alone() -> None:
    tensors = {key: x if "labels" in key else torch.randn(len(x), 3, 4, 5) for key, x in numbered().items()}
    tensors["train_images"] = tensors["train_images"] * torch.tensor([1.0, 5.0, 9.0])[:, None, None] + 4
    raw = prepare("n", tensors, validation=30, normalize="none")
    data = prepare("n", tensors, validation=30)
    for channel in range(3):
        pixels = raw.train.images[:, channel].double()
        mean, std = pixels.mean(), pixels.var(correction=0).sqrt()
        for split, before in ((data.train, raw.train), (data.validation, raw.validation), (data.test, raw.test)):
            expected = (before.images[:, channel].double() - mean) / std
            assert torch.allclose(split.images[:, channel].double(), expected, atol=1e-5)


def test_the_training_images_do_not_depend_on_the_test_set() -> None:
    tensors = numbered()
    first, tensors["test_images"] = prepare("n", tensors, validation=10), tensors["test_images"] * 1000
    second = prepare("n", tensors, validation=10)
    assert torch.equal(first.train.images, second.train.images)
    assert torch.equal(first.validation.images, second.validation.images)


def test_a_constant_channel_becomes_zero_and_features_are_channels() -> None:
    tensors = numbered() | {"train_images": torch.full((101, 2), 3.0), "test_images": torch.full((7, 2), 4.0)}
    tensors["train_images"][:, 1] = torch.arange(101.0)
    data = prepare("n", tensors)
    assert not data.train.images[:, 0].any() and data.test.images.isfinite().all()
    assert data.train.images[:, 1].mean().abs() < 1e-5 and data.shape == (2,)


def test_uint8_is_scaled_to_one_and_float_stays() -> None:
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(3, 1, 1, 1)
    tensors = {"train_images": pixels, "train_labels": torch.arange(3), "test_images": pixels}
    tensors["test_labels"] = torch.arange(3, dtype=torch.uint8)
    assert prepare("n", tensors, normalize="unit").train.images.flatten().tolist() == pytest.approx([0, 0.2, 1])
    assert prepare("n", tensors, normalize="none").train.images.flatten().tolist() == [0, 51, 255]
    floats = prepare("n", tensors | {"train_images": pixels.double()}, normalize="unit").train.images
    assert floats.flatten().tolist() == [0, 51, 255] and floats.dtype == torch.float32
    assert prepare("n", tensors).test.labels.dtype == torch.int64


def test_no_validation_is_an_empty_split() -> None:
    data = prepare("n", numbered())
    assert len(data.validation) == 0 and data.validation.images.shape == (0, 1, 1, 1) and data.classes == 3


@pytest.mark.parametrize("part", ["train", "test"])
def test_classes_are_counted_over_all_splits(part: str) -> None:
    tensors = numbered()
    tensors[f"{part}_labels"][0] = 9
    assert prepare("n", tensors, validation=50).classes == 10


def test_prepare_leaves_its_tensors_alone() -> None:
    tensors, before = numbered(), numbered()
    prepare("n", tensors, validation=10).train.images.zero_()
    prepare("n", tensors, normalize="none").train.images.zero_()
    assert all(torch.equal(tensors[key], before[key]) for key in before)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"validation": 101}, r"data\.validation=101: .* 101 training examples"),
        ({"validation": 99}, r"data\.validation=99: .* one of the 101 training examples for each of 3 classes"),
        ({"validation": -1}, r"data\.validation=-1"),
        ({"normalize": "zca"}, r"data\.normalize=zca: .*standard, unit, none"),
        ({"augment": "cutout"}, r"data\.augment=cutout: .*none, flip_crop"),
    ],
)
def test_a_bad_setting_is_an_error_that_names_key_and_value(settings: dict, named: str) -> None:
    with pytest.raises(SettingError, match=named):
        prepare("n", numbered(), **settings)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"train_labels": torch.zeros(100, dtype=torch.int64)}, r"train_images \(101, 1, 1, 1\).*\(100,\)"),
        ({"test_labels": torch.zeros(7, 1, dtype=torch.int64)}, r"test_labels .* in a column: .*squeeze\(1\)"),
        ({"test_labels": torch.eye(7)}, r"test_labels \(7, 7\) are one-hot .*argmax\(1\)"),
        (
            {"test_labels": torch.arange(7.0) / 2},
            "test_labels must be integers.*float32, and 0.5 at index 1 is no class",
        ),
        ({"test_labels": torch.full((7,), float("nan"))}, "test_labels must be integers.*nan at index 0 is no class"),
        ({"test_labels": torch.zeros(7, dtype=torch.complex64)}, "test_labels must be integers.*complex64"),
        ({"test_labels": torch.tensor([0, 1, -100, 0, 0, 0, 0])}, r"-100 at index 2 \(1 of 7\): .*labels >= 0"),
        ({"test_labels": torch.tensor([1, -1, 1, 1, 1, 1, 1])}, r"-1 at index 1 .*\(labels \+ 1\) // 2"),
        (
            {"test_labels": torch.tensor([0, 2**20, 0, 0, 0, 0, 0])},
            "test_labels: 1048576 at index 1 would make 1048577",
        ),
        ({"test_labels": torch.tensor([0, 2**40, 0, 0, 0, 0, 0])}, "test_labels: 1099511627776 at index 1"),
        (
            {"test_labels": torch.ones(7, dtype=torch.uint64)},
            r"test_labels must be integers.*torch.uint64, .*labels\.to\(torch\.int64\)",
        ),
        (
            {"train_labels": torch.zeros(101).long(), "test_labels": torch.zeros(7).long()},
            "every label is 0.*two classes are needed",
        ),
        (
            {"train_images": torch.zeros(101, 0), "test_images": torch.zeros(7, 0)},
            r"train_images \(101, 0\) have no values",
        ),
        (
            {"test_images": torch.zeros(7, 1, 1, 1, dtype=torch.complex64)},
            "test_images are torch.complex64: .*real numbers",
        ),
        ({"test_labels": torch.zeros(7)}, "test_labels must be integers.*float32"),
        ({"train_labels": torch.full((101,), -1)}, "train_labels must be integers from 0"),
        ({"test_images": torch.zeros(7, 1, 2, 1)}, r"differ in shape, \(1, 1, 1\) and \(1, 2, 1\)"),
        ({"train_images": torch.zeros(101)}, "train_images"),
        ({"test_images": torch.zeros(0, 1, 1, 1), "test_labels": torch.zeros(0, dtype=torch.int64)}, "N above 0"),
    ],
)
def test_data_that_do_not_fit_together_are_an_error_that_names_them(changes: dict, named: str) -> None:
    with pytest.raises(DataError, match=f"data mine: .*{named}"):
        prepare("mine", numbered() | changes)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int8, torch.uint8, torch.uint16, torch.uint32])
def test_labels_of_any_whole_type_are_classes(dtype: torch.dtype) -> None:
    labels = (torch.arange(108) % 2).to(dtype)
    data = prepare("n", numbered() | {"train_labels": labels[:101], "test_labels": labels[101:]}, validation=30)
    assert data.classes == 2 and data.test.labels.tolist() == [1, 0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize("normalize", ["standard", "unit", "none"])
@pytest.mark.parametrize(("key", "count"), [("train_images", 101), ("test_images", 7)])
@pytest.mark.parametrize(
    ("value", "problem"),
    [(float("nan"), "NaN"), (-float("inf"), "infinite"), (1e300, "too large for float32")],
)
def test_a_value_that_is_no_number_is_named_by_split_and_index(
    normalize: str, key: str, count: int, value: float, problem: str
) -> None:
    tensors = numbered()
    images = torch.rand(count, 1, 2, 1, dtype=torch.float64)
    other = "test_images" if key == "train_images" else "train_images"
    images[5, 0, 1] = value
    tensors |= {key: images, other: torch.rand(108 - count, 1, 2, 1)}
    with pytest.raises(DataError, match=f"data n: {key}: .*{problem.removeprefix('a value is ')}") as raised:
        prepare("n", tensors, validation=50, normalize=normalize)
    assert "at index 5" in str(raised.value)


def test_values_that_normalising_spoils_are_one_line() -> None:
    tensors = numbered() | {
        "train_images": torch.rand(101, 1, 1, 1) * 1e-38,
        "test_images": torch.full((7, 1, 1, 1), 1e9),
    }
    with pytest.raises(DataError, match="become NaN or infinite when they are normalised"):
        prepare("n", tensors)


@pytest.mark.parametrize("shape", [(40,), (1, 1, 40), (1, 40, 1), (1, 8, 40), (3, 8, 8), (2, 9, 9, 9)])
def test_images_that_shifts_would_blank_are_not_augmented(shape: tuple[int, ...]) -> None:
    tensors = numbered() | {"train_images": torch.zeros(101, *shape), "test_images": torch.zeros(7, *shape)}
    with pytest.raises(SettingError, match=r"data\.augment=flip_crop: needs images .* at least 9 by 9 pixels"):
        prepare("n", tensors, augment="flip_crop")
    tensors = numbered() | {"train_images": torch.zeros(101, 1, 9, 9), "test_images": torch.zeros(7, 1, 9, 9)}
    assert prepare("n", tensors, augment="flip_crop").augment == "flip_crop"


def test_a_missing_tensor_is_an_error_that_names_it() -> None:
    with pytest.raises(DataError, match="test_labels is missing"):
        prepare("n", {key: x for key, x in numbered().items() if key != "test_labels"})
