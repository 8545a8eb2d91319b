"""A data set made ready to train on: its four tensors checked, split, normalised, in the types that networks take."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lth.core.errors import SettingError
from lth.core.rng import rng
from lth.core.trees import first_tensor, shapes_of, tensors_in, tree_map
from lth.data.batches import PADDING
from lth.data.checks import checked, nonfinite_error
from lth.data.tensors import Data, Split
from lth.tasks.classification import PLAIN
from lth.tasks.task import Task

NORMALIZE = ("standard", "unit", "none")
AUGMENT = ("none", "flip_crop")


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
