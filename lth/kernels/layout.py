"""Tensors with the batch innermost in memory, under torch's own shapes: their strides are permuted, nothing else.

Elementwise functions of torch keep such strides, so that no tensor is transposed between two layers.
"""

from typing import Any

import torch
from torch import Tensor

from lth.kernels.passes import transpose


def new(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """An uninitialised tensor of `shape`, (N, C, ...), whose memory is of shape (C, ..., N)."""
    strides, step = [1] * len(shape), max(1, shape[0])
    for axis in range(len(shape) - 1, 0, -1):
        strides[axis] = step
        step *= max(1, shape[axis])
    return torch.empty_strided(shape, strides, dtype=like.dtype)


def is_inner(x: Tensor) -> bool:
    """Whether the batch is innermost in the memory of x, (N, C, ...), without gaps."""
    step = x.shape[0]
    for axis in range(x.ndim - 1, 0, -1):
        if x.shape[axis] != 1 and x.stride(axis) != step:
            return False
        step *= x.shape[axis]
    return x.stride(0) == 1 or x.shape[0] == 1


def inner(x: Tensor) -> Tensor:
    """x, (N, C, ...), with the batch innermost: itself, or a copy."""
    if is_inner(x):
        return x
    copy = new(tuple(x.shape), x)
    rows = x.detach().contiguous()
    transpose(rows.reshape(len(x), -1).numpy(), flat(copy).reshape(-1, len(x)))
    return copy


def flat(x: Tensor) -> Any:
    """The memory of a tensor whose batch is innermost, as a NumPy array of one axis."""
    return x.detach().as_strided((x.numel(),), (1,)).numpy()
