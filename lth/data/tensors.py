"""Splits, normalisation, augmentation and batches of data sets that lie on the device as tensors."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from lth.core.errors import SettingError
from lth.core.rng import rng
from lth.core.trees import chunks, first_tensor, shapes_of, take, tensors_in, tree_map
from lth.core.weights import digest
from lth.data.checks import checked, first_nonfinite, nonfinite_error
from lth.tasks.classification import PLAIN
from lth.tasks.task import Task

NORMALIZE = ("standard", "unit", "none")
AUGMENT = ("none", "flip_crop")
UNCLASSED = 10
"""Examples to score by are so many times those of a class, where there are no classes."""
PADDING = 4
"""The pixels that `flip_crop` shifts by at most; of larger images it leaves more than half of each side."""


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


def prepare(
    name: str,
    tensors: Mapping[str, Any],
    *,
    validation: int = 0,
    normalize: str = "standard",
    split_seed: int = 0,
    augment: str = "none",
    content: str = "",
    task: Task = PLAIN,
) -> Data:
    """A data set from the tensors `train_images`, `train_labels`, `test_images`, `test_labels`.

    Images are (N, ...), uint8 (0..255) or float, labels integers (N,), or what else `task` takes; both may be nested.
    `validation` training examples, drawn by
    `split_seed`, become the validation split. `normalize`: `standard` scales pixels to 0..1, subtracts the training
    split's mean and divides by its standard deviation, per channel; `unit` scales pixels to 0..1; `none` keeps the
    values, and integers other than uint8 as integers. Tokens and integers in nested inputs always stay integers.
    content: a hash of the tensors, where it is known.

    Raises DataError for tensors that do not fit together, for values that are NaN or infinite and for labels that are
    no classes, with split and index; SettingError for a setting out of range, and for images too small for `augment`.

    >>> images, labels = torch.rand(10, 1, 8, 8), torch.arange(10) % 2
    >>> tensors = {"train_images": images, "train_labels": labels, "test_images": images, "test_labels": labels}
    >>> data = prepare("noise", tensors, validation=3)
    >>> len(data.train), len(data.validation), data.shape, data.classes
    (7, 3, (1, 8, 8), 2)
    """
    for key, value, options in (("normalize", normalize, NORMALIZE), ("augment", augment, AUGMENT)):
        if value not in options:
            raise SettingError(f"data.{key}", value, f"must be one of {', '.join(options)}")
    tensors = checked(name, tensors, task.targets)
    if augment == "flip_crop":
        _check_size(shapes_of(tensors["train_images"]))
    train, test = (Split(tensors[f"{part}_images"], tensors[f"{part}_labels"], task) for part in ("train", "test"))
    _check_validation(train, validation)
    order = torch.randperm(len(train), generator=rng(split_seed, "split"))
    chosen, rest = order[:validation].sort().values, order[validation:].sort().values
    parts = (train.take(part) for part in (rest, chosen))  # of bytes, a quarter of floats
    as_integers = normalize == "none" or task.targets == "tokens" or not isinstance(train.images, Tensor)
    train, held_out, test = (_floats(part, normalize != "none", as_integers) for part in (*parts, test))
    if normalize == "standard":
        train, held_out, test = _standardized(train, held_out, test)
    data = Data(name, train, held_out, test, _outputs(train, held_out, test), augment, content)
    images = [x for part in ("train", "test") for _, x in tensors_in(tensors[f"{part}_images"])]
    if not any(x.is_floating_point() for x in images):
        data.__dict__["nonfinite"] = None  # without a look at every value
    elif data.nonfinite:
        raise nonfinite_error(name, tensors)
    return data


def _check_validation(train: Split, validation: int) -> None:
    """Raises SettingError where the training split has not so many examples to hold out."""
    if train.task.targets != "classes":
        if not 0 <= validation < len(train):
            problem = f"must be at least 0 and leave one of the {len(train)} training examples"
            raise SettingError("data.validation", validation, problem)
        return
    least = len(train.labels.unique()) if validation else 0  # else nothing is left to learn a class from
    if not 0 <= validation <= len(train) - least:
        problem = f"must be at least 0 and leave one of the {len(train)} training examples for each of {least} classes"
        raise SettingError("data.validation", validation, problem)


def _outputs(*splits: Split) -> int:
    """How many outputs a network needs for the targets of `splits`."""
    labels = [first_tensor(split.labels) for split in splits if len(split)]
    kind = splits[0].task.targets
    if kind == "tokens":  # of inputs and targets alike, since a network takes both
        labels += [
            x for split in splits if len(split) for _, x in tensors_in(split.images) if not x.is_floating_point()
        ]
    if kind in ("classes", "tokens") or (kind == "any" and not labels[0].is_floating_point()):
        return int(max(x.max() for x in labels)) + 1
    return math.prod(labels[0].shape[1:])


def _check_size(shape: Any) -> None:
    """Raises SettingError where `flip_crop` would shift half of an image or more out of sight."""
    if not isinstance(shape, tuple) or len(shape) != 3 or min(shape[1:]) <= 2 * PADDING:
        size = 2 * PADDING + 1
        problem = f"needs images (C, H, W) of at least {size} by {size} pixels, for it shifts them by up to {PADDING}"
        raise SettingError("data.augment", "flip_crop", f"{problem}; these are {shape}")


def _floats(split: Split, scale: bool, as_integers: bool = False) -> Split:
    """`split` in the types that networks take: inputs in float32, or integers where they stay such."""

    def image(images: Tensor) -> Tensor:
        if as_integers and not images.is_floating_point() and images.dtype != torch.uint8:
            return images if images.dtype == torch.bool else images.long()
        floats = images.float()
        return floats.div_(255) if scale and images.dtype == torch.uint8 else floats

    return replace(split, images=tree_map(image, split.images), labels=_targets(split))


def _targets(split: Split) -> Any:
    """The targets in the type that the task's loss takes."""
    kind = split.task.targets
    if kind in ("classes", "tokens"):
        return split.labels.long()
    if kind in ("labels", "values"):
        return split.labels.float()
    return tree_map(lambda x: x.float() if x.dtype == torch.float64 else x, split.labels)


def _standardized(*splits: Split) -> list[Split]:
    """The splits less the first one's mean, divided by its standard deviation, per channel (dimension 1)."""
    scales = tree_map(_scale, splits[0].images)
    return [replace(split, images=_scaled(split.images, scales)) for split in splits]


def _scale(images: Tensor) -> list[Tensor]:
    """(mean, standard deviation) of each channel of `images` (N, C, ...); nothing of integers."""
    if not images.is_floating_point():
        return []
    axes = [axis for axis in range(images.ndim) if axis != 1] if images.ndim > 2 else [0]
    std, mean = torch.std_mean(images, axes, correction=0, keepdim=True)
    std = torch.where(std > 0, std, 1.0)  # a constant channel stays at zero
    return [mean, std]


def _scaled(images: Any, scale: Any) -> Any:
    if isinstance(images, Tensor):
        return (images - scale[0]).div_(scale[1]) if scale else images
    if isinstance(images, Mapping):
        return {key: _scaled(part, scale[key]) for key, part in images.items()}
    return tuple(_scaled(*pair) for pair in zip(images, scale, strict=True))


def _moved(tree: Any, device: torch.device) -> Any:
    return tree_map(lambda tensor: tensor.to(device), tree)


def order(examples: int, seed: int, epoch: int) -> Tensor:
    """The order of the training examples in `epoch` (0, 1, ...): a permutation, int64 (examples,)."""
    return torch.randperm(examples, generator=rng(seed, "order", epoch))


def batches(
    split: Split, batch_size: int, seed: int, start: int, stop: int, until: Callable[[int], int] = lambda done: done + 1
) -> Iterator[tuple[int, Tensor]]:
    """(iteration, examples) for the iterations `start` to `stop` - 1 of a training that began at 0.

    examples: indices int64 (iterations, batch_size), of the batches from that iteration on: those before `until`
    (iteration), within an epoch. An epoch has len(split) // batch_size full batches, at least one. The examples left
    over are dropped; each epoch's order leaves out others.
    """
    per_epoch = max(1, len(split) // batch_size)
    examples, present, iteration = torch.empty(0, dtype=torch.int64), -1, start
    while iteration < stop:
        epoch, number = divmod(iteration, per_epoch)
        if epoch != present:
            examples, present = order(len(split), seed, epoch).to(split.device), epoch
        count = min(until(iteration), stop, iteration - number + per_epoch) - iteration
        yield iteration, examples[number * batch_size : (number + count) * batch_size].view(count, -1)
        iteration += count


def scoring_examples(split: Split, per_class: int) -> Split:
    """The first `per_class` examples of each class in a fixed order, the same for every network and seed.

    They come in that order; of a class with fewer examples, all. Of a task without classes they are the first
    `UNCLASSED` x `per_class`. `split` should be the training split.
    """
    order = torch.randperm(len(split), generator=rng(0, "score"))
    if split.task.targets != "classes":
        return split.take(order[: UNCLASSED * per_class].to(split.device))
    labels = split.labels.cpu()[order]
    chosen = torch.zeros(len(split), dtype=torch.bool)
    for label in labels.unique():
        chosen[(labels == label).nonzero().flatten()[:per_class]] = True
    return split.take(order[chosen].to(split.device))


def flip_crop(images: Tensor, seed: int, iteration: int, padding: int = PADDING) -> Tensor:
    """`images` (N, C, H, W), each flipped with probability 1/2 and shifted by up to `padding` pixels, padded by zeros.

    The augmentation of the CIFAR-10 experiments of He et al. (2016, section 4.2), drawn by (seed, iteration).
    """
    count, _, height, width = images.shape
    generator = rng(seed, "augment", iteration)
    flips = (torch.rand(count, generator=generator) < 0.5).to(images.device)
    shifts = torch.randint(2 * padding + 1, (2, count), generator=generator).to(images.device)
    images = torch.where(flips[:, None, None, None], images.flip(3), images)
    padded = torch.nn.functional.pad(images, (padding,) * 4)
    rows = shifts[0, :, None] + torch.arange(height, device=images.device)  # (N, H)
    columns = shifts[1, :, None] + torch.arange(width, device=images.device)  # (N, W)
    examples = torch.arange(count, device=images.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[examples, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()
