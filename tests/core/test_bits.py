"""Bools packed eight to a byte come back as they were."""

import pytest
import torch

from lth.core.bits import pack, unpack


@pytest.mark.parametrize("shape", [(0,), (1,), (7,), (8,), (9,), (3, 5), (2, 0, 4)])
def test_what_was_packed_comes_back(shape: tuple[int, ...]) -> None:
    values = torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.5
    bits = pack(values)
    assert bits.dtype is torch.uint8 and bits.shape == (-(-values.numel() // 8),)
    assert torch.equal(unpack(bits, shape), values)
