"""Splits, normalisation, augmentation and batches of data sets that lie on the device as tensors."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from lth.core.trees import chunks, first_tensor, shapes_of, take, tensors_in, tree_map
from lth.core.weights import digest
from lth.data.checks import first_nonfinite
from lth.tasks.classification import PLAIN
from lth.tasks.task import Task


@dataclass(frozen=True)
class Split:
    """Inputs and targets of one split: images float32 (N, C, H, W) and labels int64 (N,), or what else the task takes.

    Either may be a tensor, or a tuple or dict of tensors (`lth.core.trees`), with the examples along the first axis.
    """

    images: Any
    labels: Any
    task: Task = PLAIN

    def __len__(self) -> int:
        return len(first_tensor(self.labels))

    @property
    def device(self) -> torch.device:
        """Where it lies."""
        return first_tensor(self.labels).device

    def to(self, device: torch.device) -> "Split":
        """This split on `device`."""
        return replace(self, images=_moved(self.images, device), labels=_moved(self.labels, device))

    def take(self, index: Any) -> "Split":
        """The examples at `index`: a slice, or a tensor of indices."""
        return replace(self, images=take(self.images, index), labels=take(self.labels, index))

    def chunks(self, size: int) -> Iterator[tuple[Any, Any]]:
        """(inputs, targets) of `size` examples each, in order; the last ones may be fewer."""
        return zip(chunks(self.images, size), chunks(self.labels, size), strict=True)


@dataclass(frozen=True)
class Data:
    """The three splits of a data set, ready to train on. `validation` may be empty.

    classes: how many outputs a network needs: a logit a class, a label or a token, or the numbers of an example.
    content: a hash of the data set before it was split and normalised, where that is known.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: int
    augment: str = "none"
    content: str = ""

    @property
    def task(self) -> Task:
        """What is learnt."""
        return self.train.task

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one image, (C, H, W); of nested inputs the shapes of their tensors."""
        shapes: tuple[int, ...] = shapes_of(self.train.images)
        return shapes

    def to(self, device: torch.device) -> "Data":
        """This data set on `device`, with its digest kept."""
        moved = replace(
            self,
            train=self.train.to(device),
            validation=self.validation.to(device),
            test=self.test.to(device),
        )
        moved.__dict__.update(digest=self.digest, nonfinite=self.nonfinite)
        return moved

    @cached_property
    def nonfinite(self) -> tuple[str, int] | None:
        """(split, index) of the first example with a value that is NaN or infinite; None without one."""
        for name in ("train", "validation", "test"):
            for _, images in tensors_in(getattr(self, name).images):
                index = first_nonfinite(images)
                if index is not None:
                    return name, index
        return None

    @cached_property
    def digest(self) -> str:
        """A hash of every image and label, as the network gets them."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        return digest(
            {
                f"{name}_{part}.{path}" if path else f"{name}_{part}": tensor
                for name, split in splits.items()
                for part, tree in (("images", split.images), ("labels", split.labels))
                for path, tensor in tensors_in(tree)
            }
        )


def _moved(tree: Any, device: torch.device) -> Any:
    return tree_map(lambda tensor: tensor.to(device), tree)
