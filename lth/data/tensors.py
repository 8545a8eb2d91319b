"""Splits, normalisation, augmentation and batches of data sets that lie on the device as tensors."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from lth.core.errors import SettingError
from lth.core.rng import rng
from lth.core.weights import digest
from lth.data.checks import checked, first_nonfinite, nonfinite_error

NORMALIZE = ("standard", "unit", "none")
AUGMENT = ("none", "flip_crop")
PADDING = 4
"""The pixels that `flip_crop` shifts by at most; of larger images it leaves more than half of each side."""


@dataclass(frozen=True)
class Split:
    """Images float32 (N, C, H, W) and labels int64 (N,) of one split."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> "Split":
        """This split on `device`."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class Data:
    """The three splits of a data set, ready to train on. `validation` may be empty.

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
    def shape(self) -> tuple[int, ...]:
        """The shape of one image, (C, H, W)."""
        return tuple(self.train.images.shape[1:])

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
            index = first_nonfinite(getattr(self, name).images)
            if index is not None:
                return name, index
        return None

    @cached_property
    def digest(self) -> str:
        """A hash of every image and label, as the network gets them."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        tensors = {f"{name}_images": split.images for name, split in splits.items()}
        return digest(tensors | {f"{name}_labels": split.labels for name, split in splits.items()})


def prepare(
    name: str,
    tensors: dict[str, Tensor],
    *,
    validation: int = 0,
    normalize: str = "standard",
    split_seed: int = 0,
    augment: str = "none",
    content: str = "",
) -> Data:
    """A data set from the tensors `train_images`, `train_labels`, `test_images`, `test_labels`.

    Images are (N, ...), uint8 (0..255) or float, labels integers (N,). `validation` training examples, drawn by
    `split_seed`, become the validation split. `normalize`: `standard` scales pixels to 0..1, subtracts the training
    split's mean and divides by its standard deviation, per channel; `unit` scales pixels to 0..1; `none` keeps the
    values. content: a hash of the tensors, where it is known.

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
    tensors = checked(name, tensors)
    if augment == "flip_crop":
        _check_size(tuple(tensors["train_images"].shape[1:]))
    train, test = (Split(tensors[f"{part}_images"], tensors[f"{part}_labels"]) for part in ("train", "test"))
    least = len(train.labels.unique()) if validation else 0  # else nothing is left to learn a class from
    if not 0 <= validation <= len(train) - least:
        problem = f"must be at least 0 and leave one of the {len(train)} training examples for each of {least} classes"
        raise SettingError("data.validation", validation, problem)
    order = torch.randperm(len(train), generator=rng(split_seed, "split"))
    chosen, rest = order[:validation].sort().values, order[validation:].sort().values
    parts = (Split(train.images[part], train.labels[part]) for part in (rest, chosen))  # of bytes, a quarter of floats
    train, held_out, test = (_floats(part, normalize != "none") for part in (*parts, test))
    if normalize == "standard":
        train, held_out, test = _standardized(train, held_out, test)
    classes = int(max(split.labels.max() for split in (train, held_out, test) if len(split))) + 1
    data = Data(name, train, held_out, test, classes, augment, content)
    if not any(tensors[f"{part}_images"].is_floating_point() for part in ("train", "test")):
        data.__dict__["nonfinite"] = None  # without a look at every value
    elif data.nonfinite:
        raise nonfinite_error(name, tensors)
    return data


def _check_size(shape: tuple[int, ...]) -> None:
    """Raises SettingError where `flip_crop` would shift half of an image or more out of sight."""
    if len(shape) != 3 or min(shape[1:]) <= 2 * PADDING:
        size = 2 * PADDING + 1
        problem = f"needs images (C, H, W) of at least {size} by {size} pixels, for it shifts them by up to {PADDING}"
        raise SettingError("data.augment", "flip_crop", f"{problem}; these are {shape}")


def _floats(split: Split, scale: bool) -> Split:
    images = split.images.float()
    return Split(images.div_(255) if scale and split.images.dtype == torch.uint8 else images, split.labels.long())


def _standardized(*splits: Split) -> list[Split]:
    """The splits less the first one's mean, divided by its standard deviation, per channel (dimension 1)."""
    images = splits[0].images
    axes = [axis for axis in range(images.ndim) if axis != 1] if images.ndim > 2 else [0]
    std, mean = torch.std_mean(images, axes, correction=0, keepdim=True)
    std = torch.where(std > 0, std, 1.0)  # a constant channel stays at zero
    return [Split((split.images - mean).div_(std), split.labels) for split in splits]


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
            examples, present = order(len(split), seed, epoch).to(split.labels.device), epoch
        count = min(until(iteration), stop, iteration - number + per_epoch) - iteration
        yield iteration, examples[number * batch_size : (number + count) * batch_size].view(count, -1)
        iteration += count


def scoring_examples(split: Split, per_class: int) -> Split:
    """The first `per_class` examples of each class in a fixed order, the same for every network and seed.

    They come in that order; of a class with fewer examples, all. `split` should be the training split.
    """
    order = torch.randperm(len(split), generator=rng(0, "score"))
    labels = split.labels.cpu()[order]
    chosen = torch.zeros(len(split), dtype=torch.bool)
    for label in labels.unique():
        chosen[(labels == label).nonzero().flatten()[:per_class]] = True
    examples = order[chosen].to(split.labels.device)
    return Split(split.images[examples], split.labels[examples])


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
