"""Files that several tests make or read: small data sets, tables."""

import csv
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.nn.functional import one_hot

from lth.core.rng import rng

Shape = tuple[int, int, int]


def write_data(folder: Path, name: str, shape: Shape, train: int, test: int) -> Path:
    """Writes `<name>.safetensors`: noise of ten classes, each with a mark of its own in every example; the folder.

    shape: channels, height, width; floats where the height is 1, else uint8.
    """
    tensors = {}
    for part, count in (("train", train), ("test", test)):
        labels = torch.randint(10, (count,), generator=rng(0, part))
        if shape[1] == 1:
            images = torch.randn(count, *shape, generator=rng(1, part)) + one_hot(labels, shape[2])[:, None, None]
        else:
            images = torch.randint(200, (count, *shape), generator=rng(1, part), dtype=torch.uint8)
            images[torch.arange(count), 0, 2 * labels + 4] = 255
        tensors |= {f"{part}_images": images, f"{part}_labels": labels}
    save_file(tensors, folder / f"{name}.safetensors")
    return folder


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a table, every cell as text."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
