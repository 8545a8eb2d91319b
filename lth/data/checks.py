"""The one check of the four tensors of a data set, whatever their source: what is wrong, where, and the likely mend."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lth.core.errors import DataError
from lth.core.trees import tensors_in
from lth.data.arrays import as_tensor, as_tree
from lth.data.targets import check_shapes, checked_targets, with_targets
from lth.tasks.task import Targets

NAMES = ("train_images", "train_labels", "test_images", "test_labels")
MANY_CLASSES = 2**16
"""More classes than this, and than examples, are no classes but numbers of another kind."""
NUMBERED = "number the classes from 0, as torch.unique(labels, return_inverse=True)[1] does"


def checked(name: str, tensors: Mapping[str, Any], targets: Targets = "classes") -> dict[str, Any]:
    """The four of `tensors`, which may be arrays and for tasks other than classification nested, as tensors.

    targets: what the labels are; classes come as int64, tokens without labels are their own, one to the left. Raises
    DataError naming the data set `name` where they do not fit together, and for labels that do not fit the task.
    """
    names = [key for key in NAMES if targets != "tokens" or not key.endswith("labels")]
    missing = [key for key in names if key not in tensors]
    if missing:
        raise DataError(f"data {name}: {missing[0]} is missing; given: {', '.join(sorted(tensors))}")
    tensors = {key: as_tree(tensors[key], f"data {name}: {key}") for key in NAMES if key in tensors}
    if targets != "classes" or not all(isinstance(tensors[f"{part}_images"], Tensor) for part in ("train", "test")):
        return _checked_otherwise(name, with_targets(name, tensors), targets)
    labels = {
        f"{part}_labels": checked_labels(f"data {name}: {part}_", tensors[f"{part}_images"], tensors[f"{part}_labels"])
        for part in ("train", "test")
    }
    train, test = (tensors[f"{part}_images"] for part in ("train", "test"))
    if train.shape[1:] != test.shape[1:]:
        shapes = f"{tuple(train.shape[1:])} and {tuple(test.shape[1:])}"
        raise DataError(f"data {name}: training and test images differ in shape, {shapes}")
    check_class_count(name, labels, MANY_CLASSES)
    if all(int(x.max()) == 0 for x in labels.values()):
        raise DataError(f"data {name}: every label is 0, and there is nothing to tell apart: two classes are needed")
    return {**tensors, **labels}


def _checked_otherwise(name: str, tensors: dict[str, Any], targets: Targets) -> dict[str, Any]:
    """`checked` of nested inputs, and of targets that are no classes."""
    check_shapes(name, tensors)
    keys = {key: f"data {name}: {key}" for key in ("train_labels", "test_labels")}
    if targets != "classes":
        return tensors | {key: checked_targets(where, tensors[key], targets) for key, where in keys.items()}
    labels = {key: _classes(where, tensors[key]) for key, where in keys.items()}
    check_class_count(name, labels, MANY_CLASSES)
    return tensors | labels


def checked_labels(where: str, images: Tensor, labels: Tensor) -> Tensor:
    """`labels` as int64; DataError, beginning with `where`, where they are no classes, or do not go with `images`."""
    _check_shapes(where, images, labels)
    return _classes(f"{where}labels", labels)


def check_class_count(name: str, tensors: Mapping[str, Tensor], most: int) -> None:
    """Raises DataError for a label that would make more classes than `most` and than there are examples."""
    keys = ("train_labels", "test_labels")
    most = max(most, sum(len(tensors[key]) for key in keys))
    for key in keys:
        labels = tensors[key].long()
        index = int(labels.argmax())
        if (top := int(labels[index])) >= most:
            problem = f"{top} at index {index} would make {top + 1} classes of {len(labels)} examples"
            raise DataError(f"data {name}: {key}: {problem}: {NUMBERED}")


def _check_shapes(where: str, images: Tensor, labels: Tensor) -> None:
    if images.ndim >= 2 and labels.ndim == 2 and len(labels) == len(images) > 0:
        width = labels.shape[1]
        mend = f"give class numbers (N,), as labels.{'squeeze(1)' if width == 1 else 'argmax(1)'}"
        kind = "one-hot or scores" if width > 1 else "in a column"
        raise DataError(f"{where}labels {tuple(labels.shape)} are {kind}: {mend}")
    if images.ndim < 2 or labels.shape != images.shape[:1] or not len(labels):
        problem = f"{where}images {tuple(images.shape)} and labels {tuple(labels.shape)} do not fit"
        raise DataError(f"{problem}: they should be (N, C, H, W) and (N,) with N above 0")
    if not images.numel():
        raise DataError(f"{where}images {tuple(images.shape)} have no values")
    if images.is_complex():
        mend = "give real numbers, as torch.view_as_real(images).flatten(1) makes them"
        raise DataError(f"{where}images are {images.dtype}: {mend}")


def _classes(where: str, labels: Tensor) -> Tensor:
    """`labels` as int64; DataError beginning with `where` where they are no numbers of classes."""
    kind = f"{where} must be integers from 0"
    if labels.is_complex():
        raise DataError(f"{kind}, these are {labels.dtype}")
    if labels.is_floating_point():
        fractions = (labels != labels.round()) | ~labels.isfinite()
        if fractions.any():
            index = int(fractions.nonzero()[0])
            raise DataError(
                f"{kind}, these are {labels.dtype}, and {labels[index].item():g} at index {index} is no class"
            )
        raise DataError(f"{kind}, these are {labels.dtype} with no fractions: give labels.long()")
    if labels.dtype == torch.uint64:
        raise DataError(f"{kind}, these are {labels.dtype}, which int64 does not hold: give labels.to(torch.int64)")
    classes = labels.long()
    negative = classes < 0
    if not negative.any():
        return classes
    index = int(negative.nonzero()[0])
    value = int(classes[index])
    count = f"{int(negative.sum())} of {len(classes)}"
    if classes.unique().tolist() == [-1, 1]:
        mend = "for labels of -1 and 1 give (labels + 1) // 2"
    else:
        mend = "leave out the examples that have no class, as labels >= 0 selects the others"
    raise DataError(f"{kind}: there is {value} at index {index} ({count}): {mend}")


def first_nonfinite(images: Tensor) -> int | None:
    """The index of the first example (N, ...) with a value that is NaN or infinite; None without one.

    One pass over the values finds that there is none.

    >>> first_nonfinite(torch.tensor([[1.0, 2.0], [3.0, float("nan")]]))
    1
    """
    if not images.is_floating_point() or not images.numel():
        return None
    low, high = torch.aminmax(images)  # NaN where any value is
    if bool(low.isfinite() & high.isfinite()):
        return None
    return int((~images.flatten(1).isfinite()).any(1).nonzero()[0])


def check_finite(where: str, images: Tensor) -> None:
    """Raises DataError, beginning with `where`, for the first example (N, ...) with a value that is NaN or infinite."""
    index = first_nonfinite(images)
    if index is None:
        return
    finite = images.flatten(1).isfinite()
    value = images.flatten(1)[index][~finite[index]][0].item()
    kind = "NaN" if value != value else "infinite"
    count = f"{int((~finite).any(1).sum())} of {len(images)} examples"
    mend = "leave them out, or fill them, as torch.nan_to_num does"
    raise DataError(f"{where}: a value is {kind} at index {index} ({count}): {mend}")


def checked_inputs(inputs: Any, where: str) -> Tensor:
    """`inputs` (N, ...) as a tensor; DataError, beginning with `where`, where there are none or one is not finite."""
    tensor = inputs if isinstance(inputs, Tensor) else as_tensor(inputs, where)
    if tensor.ndim < 2 or not tensor.numel():
        raise DataError(f"{where} {tuple(tensor.shape)}: they should be (N, ...) with N above 0")
    check_finite(where, tensor)
    return tensor


def nonfinite_error(name: str, tensors: Mapping[str, Any]) -> DataError:
    """What is wrong with images that are not finite once they are split and normalised; raises it where it is known."""
    images = {f"{key}.{path}" if path else key: x for key in NAMES[::2] for path, x in tensors_in(tensors[key])}
    for key, tensor in images.items():
        check_finite(f"data {name}: {key}", tensor)
        if (index := first_nonfinite(tensor.float())) is not None:
            return DataError(f"data {name}: {key}: a value at index {index} is too large for float32: scale the images")
    return DataError(f"data {name}: images become NaN or infinite when they are normalised: scale them before")
