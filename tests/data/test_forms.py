"""Data in the forms that people have: the same four tensors, or one line that says what is needed."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from lth.core.errors import DataError
from lth.data.forms import pair
from lth.data.tensors import Split

X = torch.randn(6, 1, 2, 3, generator=torch.Generator().manual_seed(0))
Y = torch.tensor([0, 1, 2, 0, 1, 2])
ARRAYS = X.numpy(), Y.numpy()


class Items(Dataset[Any]):
    """A map-style dataset of six items, each what a function makes of its index."""

    def __init__(self, item: Callable[[int], Any], count: int = 6) -> None:
        self.item, self.count = item, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        return self.item(index)


class Endless(IterableDataset[Any]):
    """A stream without an end."""

    def __iter__(self) -> Iterator[Any]:
        while True:
            yield X[0], 0


class Frame:
    """An array as pandas has it."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def __getitem__(self, index: int) -> Any:
        raise KeyError(index)  # it has names of columns

    def to_numpy(self) -> Any:
        return self.values


PAIRS = TensorDataset(X, Y)
TWICE = TensorDataset(torch.cat([X, X + 1]), torch.cat([Y, Y]))
SIX = range(6)
USED = {
    "tensors": (X, Y),
    "a list of two": [X, Y],
    "arrays": ARRAYS,
    "lists": (X.tolist(), Y.tolist()),
    "lists of tensors": (list(X), list(Y)),
    "lists of arrays": (list(ARRAYS[0]), list(ARRAYS[1])),
    "data frames": (Frame(ARRAYS[0]), Frame(ARRAYS[1])),
    "a split": Split(X, Y),
    "a graph": (X.clone().requires_grad_() * 1, Y),
    "other strides": (X.flip(0).flip(0).permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0), Y),
    "negative strides": (ARRAYS[0][::-1].copy()[::-1], Y),
    "another byte order": (ARRAYS[0].astype(">f4"), ARRAYS[1].astype(">i8")),
    "bytes that nobody may write": (np.frombuffer(ARRAYS[0].tobytes(), np.float32).reshape(X.shape), Y),
    "a tensor dataset": PAIRS,
    "a subset": Subset(TWICE, SIX),
    "a concatenation": ConcatDataset([Subset(PAIRS, range(2)), Subset(PAIRS, range(2, 6))]),
    "a dataset": Items(lambda index: (X[index], int(Y[index]))),
    "a dataset of arrays": Items(lambda index: (ARRAYS[0][index], ARRAYS[1][index])),
    "a list of pairs": [(X[index], int(Y[index])) for index in SIX],
    "a loader": DataLoader(PAIRS, 4),
    "a loader that shuffles": DataLoader(PAIRS, 4, shuffle=True, drop_last=True),
    "a loader without batches": DataLoader(PAIRS, None),
    "a loader of a subset": DataLoader(TWICE, 4, sampler=SubsetRandomSampler(SIX)),
    "a loader with a function": DataLoader(
        PAIRS, 4, collate_fn=lambda items: tuple(map(torch.stack, zip(*items, strict=True)))
    ),
}


@pytest.mark.parametrize("form", USED)
def test_every_form_gives_the_same_tensors(form: str) -> None:
    inputs, labels = pair(USED[form], "train")
    assert torch.equal(inputs.float(), X) and torch.equal(labels, Y)
    assert all(type(x) is Tensor and x.is_contiguous() and not x.requires_grad for x in (inputs, labels))


def test_images_of_pil_have_their_channels_first() -> None:
    pictures = [Image.fromarray(np.full((4, 5, 3), shade, np.uint8)) for shade in (1, 2)]
    grey = [picture.convert("L") for picture in pictures]
    for images, shape in ((pictures, (2, 3, 4, 5)), (grey, (2, 1, 4, 5))):
        inputs, _ = pair(Items(lambda index, images=images: (images[index], index), 2), "train")
        assert inputs.shape == shape and inputs.dtype == torch.uint8 and inputs[1].unique().tolist() == [2]
        assert torch.equal(pair((images, [0, 1]), "train")[0], inputs)


def failing(index: int) -> Any:
    return {}[f"no {index}"]


REFUSED = {
    "nothing": (None, "train is None"),
    "a tensor alone": (X, "train is a Tensor alone, without labels"),
    "a frame alone": (Frame(X), "train is a Frame alone"),
    "three values": ((X, Y, Y), "train has 3 values"),
    "no values": ((), "train has no examples"),
    "a dict": ({"x": X, "y": Y}, "train is a dict of x, y"),
    "a name of a file": ("train.csv", "train is a str, whose examples have no index"),
    "a number": (3, "train is an int"),
    "no labels": ((X, None), "train labels: None is no array"),
    "a label of nothing": ((X, [None] * 6), "train labels: example 0 is None"),
    "text": ((X, ["cat"] * 6), "train labels hold text, such as 'cat': number the classes from 0"),
    "text in an array": ((X, np.array(["cat"] * 6)), "train labels hold text, such as 'cat'"),
    "text in a frame": ((X, Frame(np.array(["cat"] * 6, object))), "train labels hold text, such as 'cat'"),
    "objects": ((ARRAYS[0].astype(object), Y), "train inputs hold Python objects"),
    "dates": ((np.full((6, 2), np.datetime64("2020-01-01")), Y), "train inputs hold dates"),
    "numbers beyond any type": ((X, [2**70] * 6), "train labels hold Python objects"),
    "lists of several lengths": (([[1.0], [1.0, 2.0]], [0, 1]), "train inputs differ in size"),
    "tensors of several sizes": (([X[0], X[0, 0]], [0, 1]), r"example 0 is \(1, 2, 3\), example 1 is \(2, 3\)"),
    "masked values": ((np.ma.masked_less(ARRAYS[0], 0), Y), "some values are masked"),
    "a sparse tensor": ((X.to_sparse(), Y), r"train inputs: the tensor is sparse: give its \.to_dense"),
    "a nested tensor": (
        (torch.nested.nested_tensor([X[0, 0, 0], X[0, 0, 0, :1]], layout=torch.jagged), Y),
        "is a nested tensor",
    ),
    "a meta tensor": ((X.to("meta"), Y), "lies on the meta device"),
    "one image": ((Image.new("L", (2, 2)), Y), "one image: a list of images is needed"),
    "a stream": (Endless(), "train is an Endless, whose examples have no index"),
    "a loader of a stream": (DataLoader(Endless(), 4), "a DataLoader of an IterableDataset"),
    "an iterator": (iter(PAIRS), "whose examples have no index"),
    "a sampler with weights": (
        DataLoader(PAIRS, 4, sampler=WeightedRandomSampler([1.0] * 6, 6)),
        "draws its examples by WeightedRandomSampler: give its dataset, or a Subset",
    ),
    "batches of one's own": (DataLoader(PAIRS, batch_sampler=[[0, 1]]), "draws its batches by list"),
    "dicts from a loader": (DataLoader(PAIRS, 4, collate_fn=lambda items: {}), "collate_fn makes a dict of batch 0"),
    "dicts": (Items(lambda index: {"image": X[index], "label": 0}), "example 0 is a dict of image, label"),
    "triples": (Items(lambda index: (X[index], 0, 1.0)), "example 0 is 3 values, and not one input with its label"),
    "inputs alone": (Items(lambda index: X[index]), "example 0 is a Tensor"),
    "sizes": (Items(lambda index: (torch.zeros(2 + index // 4), 0)), r"example 0 is \(2,\), example 4 is \(3,\)"),
    "an error": (Items(failing), r"train: example 0 raised KeyError: 'no 0' \(test_forms\.py, line \d+\)"),
    "an error later": (Items(lambda i: (X[i], 0) if i < 4 else failing(i)), "train: example 4 raised KeyError: 'no 4'"),
    "an exit": (Items(lambda index: exit(3)), "train: example 0 raised SystemExit: 3"),
    "no examples": (Items(failing, 0), "train has no examples"),
    "a wrong length": (Items(lambda index: (X[index], 0), -1), r"train: len\(\) of an Items raised ValueError"),
}


@pytest.mark.parametrize("form", REFUSED)
def test_any_other_form_is_one_line(form: str) -> None:
    given, message = REFUSED[form]
    with pytest.raises(DataError, match=message) as raised:
        pair(given, "train")
    assert "\n" not in str(raised.value)


def test_a_dataset_that_draws_is_read_once_and_said(caplog: pytest.LogCaptureFixture) -> None:
    pair(Items(lambda index: (X[index], 0)), "train")
    assert not caplog.text
    pair(Items(lambda index: (X[index] + torch.randn(1), 0)), "train")
    assert "train gives another example each time it is read" in caplog.text
