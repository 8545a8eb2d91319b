"""Arrays of any kind as tensors in main memory: of NumPy, pandas, PIL, lists; or one line what to do with them."""

from collections.abc import Mapping, Sequence
from numbers import Number
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lth.core.errors import DataError
from lth.core.users import users_code

CLASSES = "number the classes from 0, as numpy.unique(labels, return_inverse=True)[1] does"
KINDS = {"O": "Python objects", "U": "text", "S": "text", "T": "text", "M": "dates", "m": "times", "V": "records"}
"""NumPy's letter for what an array holds that no tensor does -> what that is."""


def kind_of(value: Any) -> str:
    """What `value` is, with its article: "a DataLoader", "None"."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"an {name}" if name[0] in "AEIOUaeiou" else f"a {name}"


def is_array(value: Any) -> bool:
    """Whether `value` is an array of some library: a tensor, of NumPy, of pandas."""
    return isinstance(value, Tensor) or hasattr(value, "__array__") or hasattr(value, "to_numpy")


def as_tensor(values: Any, where: str) -> Tensor:
    """`values` as a tensor in main memory, contiguous and without gradient; DataError beginning with `where` if none.

    >>> as_tensor([[1, 2], [3, 4]], "inputs").shape
    torch.Size([2, 2])
    >>> as_tensor(["cat", "dog"], "labels")
    Traceback (most recent call last):
    lth.core.errors.DataError: labels hold text, such as 'cat': number the classes from 0, as numpy.unique(...
    """
    if isinstance(values, Tensor):
        return _plain(values, where)
    if is_pil(values):
        raise DataError(f"{where}: one image: a list of images is needed, one for each example")
    if is_array(values):
        return torch.from_numpy(_numeric(_array(values, where), where))
    if hasattr(values, "toarray"):
        raise DataError(f"{where}: {kind_of(values)} is sparse: give its .toarray()")
    if not isinstance(values, (list, tuple, range)):
        raise DataError(f"{where}: {kind_of(values)} is no array: give a tensor, an array or a list of numbers")
    if len(values) and not isinstance(values[0], np.generic) and (is_array(values[0]) or is_pil(values[0])):
        return _stacked(values, where)
    return _listed(values, where)


def as_tree(values: Any, where: str, count: int | None = None) -> Any:
    """`values` as a tensor, or a tuple or dict of arrays as one of tensors; DataError beginning with `where` if none.

    A tuple of `count` arrays is a sequence of so many examples.

    >>> as_tree({"ids": [[1, 2]], "scale": [0.5]}, "inputs")["ids"].shape
    torch.Size([1, 2])
    """
    if isinstance(values, Mapping):
        if not values or not all(isinstance(key, str) for key in values):
            raise DataError(f"{where}: the keys of a dict of inputs should be names, as of a network's arguments")
        return {key: as_tree(part, f"{where}.{key}") for key, part in values.items()}
    if isinstance(values, tuple) and len(values) != count and values and all(map(_is_nested, values)):
        return tuple(as_tree(part, f"{where}.{number}") for number, part in enumerate(values))
    return as_tensor(values, where)


def _is_nested(part: Any) -> bool:
    return isinstance(part, Mapping) or (is_array(part) and getattr(part, "ndim", 0) > 0)


def item_tensor(value: Any, where: str) -> Tensor:
    """The input of one example as a tensor; a PIL image of (H, W) or (H, W, C) becomes (C, H, W)."""
    if is_pil(value):
        pixels = torch.from_numpy(np.array(value))
        return pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)
    return as_tensor(value, where)


def is_pil(value: Any) -> bool:
    """Whether `value` is an image of PIL."""
    return hasattr(value, "getbands")


def _stacked(values: Sequence[Any], where: str) -> Tensor:
    """The examples in one tensor; DataError naming the first whose shape is another."""
    tensors = [item_tensor(value, f"{where}, example {index}") for index, value in enumerate(values)]
    for index, tensor in enumerate(tensors):
        if tensor.shape != tensors[0].shape:
            shapes = f"example 0 is {tuple(tensors[0].shape)}, example {index} is {tuple(tensor.shape)}"
            raise DataError(f"{where} differ in size, {shapes}: bring all to one size, as by a resize or padding")
    return torch.stack(tensors)


def _plain(tensor: Tensor, where: str) -> Tensor:
    problems = {
        "is a nested tensor: bring all examples to one size": tensor.is_nested,
        "is sparse: give its .to_dense()": tensor.layout != torch.strided,
        "is quantised: give its .dequantize()": tensor.is_quantized,
        "lies on the meta device, and has no values": tensor.is_meta,
    }
    for problem, there in problems.items():
        if there:
            raise DataError(f"{where}: the tensor {problem}")
    tensor = tensor.detach().cpu()
    plain = tensor if type(tensor) is Tensor else tensor.as_subclass(Tensor)
    return plain.resolve_conj().resolve_neg().contiguous()


def _array(values: Any, where: str) -> "np.ndarray[Any, Any]":
    if np.ma.is_masked(values):
        raise DataError(f"{where}: some values are masked: fill them, as .filled(0) does, or leave the examples out")
    with users_code(f"{where}: {kind_of(values)} as an array", DataError):
        return np.asarray(values.to_numpy() if hasattr(values, "to_numpy") else values)


def _listed(values: Sequence[Any], where: str) -> Tensor:
    """A tensor of nested lists of numbers; DataError naming what is no number, or that they are of several lengths."""
    try:
        return torch.as_tensor(values)
    except (ValueError, TypeError, RuntimeError) as error:
        for index, value in enumerate(values):
            if not isinstance(value, (list, tuple, str, Number, np.generic)):
                raise DataError(f"{where}: example {index} is {kind_of(value)}: give numbers") from error
        try:
            array = np.array(values)
        except ValueError:
            raise DataError(f"{where} differ in size: give as many values for each example") from error
        return torch.from_numpy(_numeric(array, where))


def _numeric(array: "np.ndarray[Any, Any]", where: str) -> "np.ndarray[Any, Any]":
    """`array` in a layout and type that torch takes; DataError where it holds no numbers."""
    if array.dtype.kind == "O" and array.size and isinstance(array.flat[0], str):
        array = array.astype(str)
    if array.dtype.kind in KINDS:
        example = f", such as {array.flat[0].item()!r}" if array.dtype.kind in "US" and array.size else ""
        mend = CLASSES if example else "give numbers, as .astype(numpy.float32) makes them"
        raise DataError(f"{where} hold {KINDS[array.dtype.kind]}{example}: {mend}")
    wide = array.dtype.itemsize > (16 if array.dtype.kind == "c" else 8)
    array = array.astype(np.float64) if wide else array.astype(array.dtype.newbyteorder("="), copy=False)
    return np.require(array, requirements=["C", "W"])
