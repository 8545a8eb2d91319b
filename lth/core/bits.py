"""Tensors of bools, packed eight to a byte."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def pack(values: Tensor) -> Tensor:
    """The bools of `values` as bytes, uint8 (ceil(size / 8),), on the CPU; the first is the highest bit.

    >>> unpack(pack(torch.tensor([True, False, True])), [3]).tolist()
    [True, False, True]
    """
    return torch.from_numpy(np.packbits(values.cpu().numpy(), axis=None))


def unpack(bits: Tensor, shape: Sequence[int]) -> Tensor:
    """The tensor of bools of `shape` that `pack` made `bits` of."""
    size = int(np.prod(shape))
    return torch.from_numpy(np.unpackbits(bits.cpu().numpy(), count=size).astype(bool)).reshape(tuple(shape))
