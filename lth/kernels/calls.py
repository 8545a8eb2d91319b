"""torch's functions on tensors whose batch is innermost: where torch would copy them, what is called in its place.

Each takes the arguments of torch's function, and gives None for what it leaves to torch.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from lth.kernels.functions import MaxPool
from lth.kernels.layout import is_inner


def pair(value: int | Sequence[int]) -> tuple[int, int]:
    """(rows, columns) of a setting that torch takes as one number or two.

    >>> pair(2), pair([3]), pair((1, 2))
    ((2, 2), (3, 3), (1, 2))
    """
    if isinstance(value, int):
        return value, value
    values = [int(x) for x in value]
    return values[0], values[-1]


def is_ours(x: Tensor, axes: Sequence[int] = (4,)) -> bool:
    """Whether x is one of the tensors, with one of these numbers of axes, whose batch is innermost."""
    plain = x.dtype == torch.float32 and x.device.type == "cpu" and x.layout == torch.strided
    return plain and x.ndim in axes and len(x) > 1 and x.numel() > len(x) and is_inner(x)


def normalization(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Any, ...] | None:
    """Of `functional.batch_norm`, what `Deferred.batch_norm` takes."""
    given = [tensor for tensor in (running_mean, running_var, weight, bias) if tensor is not None]
    if not is_ours(x, (2, 3, 4)) or any(t.dtype != torch.float32 or not t.is_contiguous() for t in given):
        return None
    running = None if running_mean is None or running_var is None else (running_mean, running_var)
    training = training or running is None
    if training and x.numel() == x.shape[1]:
        return None  # torch says what is wrong
    return x, weight, bias, running, bool(training), float(momentum or 0), float(eps)


def max_pool(
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor | None:
    kernel, step, edge = pair(kernel_size), pair(stride or kernel_size), pair(padding)
    if not is_ours(x) or ceil_mode or return_indices or pair(dilation) != (1, 1) or kernel[0] * kernel[1] > 256:
        return None
    if any(2 * e > k for e, k in zip(edge, kernel, strict=True)):
        return None
    sizes = [(n + 2 * e - k) // s + 1 for n, k, s, e in zip(x.shape[2:], kernel, step, edge, strict=True)]
    if min(sizes) < 1:
        return None
    out: Tensor = MaxPool.apply(x, (*x.shape[:2], *sizes), kernel, step, edge)
    return out


def average_pool(
    x: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor | None:
    kernel = pair(kernel_size)
    splits = is_ours(x) and not any(n % k for n, k in zip(x.shape[2:], kernel, strict=True))
    if not splits or pair(stride or kernel_size) != kernel or pair(padding) != (0, 0) or divisor_override:
        return None
    rows, columns = x.shape[2] // kernel[0], x.shape[3] // kernel[1]
    parts = x.permute(1, 2, 3, 0).reshape(x.shape[1], rows, kernel[0], columns, kernel[1], len(x))
    return parts.mean((2, 4)).permute(3, 0, 1, 2)


def adaptive_average_pool(x: Tensor, output_size: Any) -> Tensor | None:
    sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    if not is_ours(x) or any(
        size is not None and (size < 1 or n % size) for n, size in zip(x.shape[2:], sizes, strict=True)
    ):
        return None
    return average_pool(x, [1 if size is None else n // size for n, size in zip(x.shape[2:], sizes, strict=True)])


def pad(x: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor | None:
    if mode != "constant" or not is_ours(x) or len(pad) > 6:
        return None
    return functional.pad(x.permute(1, 2, 3, 0), [0, 0, *pad], mode, value or 0.0).permute(3, 0, 1, 2)


CALLS: dict[Any, Any] = {
    functional.max_pool2d: max_pool,
    torch.max_pool2d: max_pool,
    functional.avg_pool2d: average_pool,
    functional.adaptive_avg_pool2d: adaptive_average_pool,
    functional.pad: pad,
}
"""torch's function -> what is called in its place."""
