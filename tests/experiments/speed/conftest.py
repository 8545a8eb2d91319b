"""Small images in the shapes that `lth speed` trains on."""

import pytest
import torch
from lth.experiments.speed.networks import SHAPES, Images

from lth.core.rng import rng


def images_of(name: str, train: int, test: int = 100) -> Images:
    """The data set `name` with so many random images."""
    tensors = {}
    for part, count in (("train", train), ("test", test)):
        shape = (count, *SHAPES[name][0])
        tensors[f"{part}_images"] = torch.randint(256, shape, generator=rng(0, part), dtype=torch.uint8)
        tensors[f"{part}_labels"] = torch.arange(count) % 10
    return Images(name, tensors, name)


@pytest.fixture(scope="session")
def images() -> Images:
    """5,300 training images in MNIST's shape, of which 300 are left beside the validation split."""
    return images_of("mnist", 5_300)
