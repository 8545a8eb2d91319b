"""Products with sparse weights against torch's dense ones, in float64."""

import numpy as np
import numpy.typing as npt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from lth.kernels import TOLERANCE
from lth.kernels.products import gather, weight_gradient
from lth.kernels.structure import ONE, Geometry, Sparse

DENSITIES = st.sampled_from([0.0, 0.02, 0.1, 0.5, 1.0])
BATCHES = st.sampled_from([1, 2, 7, 8, 9, 16, 31, 33, 57, 60, 63, 64, 65, 128, 131, 700])


def flat(tensor: Tensor) -> npt.NDArray[np.float32]:
    """(N, C, H, W) -> C x H x W x N, flat."""
    return np.ascontiguousarray(tensor.permute(1, 2, 3, 0).float().numpy()).reshape(-1)


def masked(shape: tuple[int, ...], density: float, seed: int, empty: str) -> Tensor:
    """A random mask; `empty`: without its first output channel, its last input channel, or neither."""
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < density
    mask[0] &= empty != "output"
    mask[:, -1] &= empty != "input"
    return mask


def agree(result: npt.NDArray[np.float32], exact: Tensor) -> None:
    exact_values = exact.numpy().reshape(-1)
    assert np.abs(result - exact_values).max(initial=0) <= TOLERANCE * max(np.abs(exact_values).max(initial=0), 1e-30)


def compare(mask: Tensor, rows: Geometry, columns: Geometry, groups: int, batch: int, seed: int) -> None:
    """Outputs and both gradients of one layer, against torch's convolution."""
    layer = Sparse(mask, rows, columns, groups)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, mask.shape[1] * groups, rows.inputs, columns.inputs, generator=generator).double()
    weight = (torch.randn(mask.shape, generator=generator) * mask).double()
    bias = torch.randn(mask.shape[0], generator=generator).double()
    x.requires_grad_()
    weight.requires_grad_()
    settings = [(getattr(rows, key), getattr(columns, key)) for key in ("stride", "padding", "dilation")]
    exact = functional.conv2d(x, weight, bias, *settings, groups)
    dy = torch.randn(exact.shape, generator=generator).double()
    exact.backward(dy)

    values, sums = weight.detach()[mask].float().numpy(), np.full(layer.kept, np.nan, np.float32)
    outputs, dx = np.full(exact.numel(), np.nan, np.float32), np.full(x.numel(), np.nan, np.float32)
    gather(outputs, flat(x.detach()), bias.float().numpy(), values, *layer.forward.arguments(), batch)
    agree(outputs, exact.detach().permute(1, 2, 3, 0))
    weight_gradient(sums, flat(dy), flat(x.detach()), *layer.forward.arguments(), batch)
    agree(sums, weight.grad[mask])
    nothing = np.zeros(layer.channels, np.float32)
    gather(dx, flat(dy), nothing, values, *layer.backward.arguments(), batch)
    agree(dx, x.grad.permute(1, 2, 3, 0))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 20), DENSITIES, BATCHES,
    st.sampled_from(["output", "input", ""]), st.integers(0, 2**31),
)  # fmt: skip
def test_a_linear_layer_agrees_with_torch(inputs, outputs, density, batch, empty, seed):
    compare(masked((outputs, inputs, 1, 1), density, seed, empty), ONE, ONE, 1, batch, seed)


@st.composite
def axes(draw: st.DrawFn) -> Geometry:
    kernel, dilation, padding = draw(st.integers(1, 4)), draw(st.integers(1, 2)), draw(st.integers(0, 3))
    least = max(1, dilation * (kernel - 1) + 1 - 2 * padding)
    return Geometry(kernel, draw(st.integers(1, 3)), padding, dilation, draw(st.integers(least, least + 7)))


@settings(max_examples=80, deadline=None)
@given(
    axes(), axes(), st.sampled_from([1, 1, 2, 3]), st.integers(1, 3), st.integers(1, 3), DENSITIES, BATCHES,
    st.sampled_from(["output", "input", ""]), st.integers(0, 2**31),
)  # fmt: skip
def test_a_convolution_agrees_with_torch(rows, columns, groups, inputs, outputs, density, batch, empty, seed):
    mask = masked((outputs * groups, inputs, rows.kernel, columns.kernel), density, seed, empty)
    compare(mask, rows, columns, groups, batch, seed)


def test_sums_over_many_positions_are_exact_enough():
    axis = Geometry(kernel=3, stride=1, padding=1, dilation=1, inputs=32)
    compare(masked((4, 4, 3, 3), 0.3, 0, ""), axis, axis, 1, 128, 0)


def test_a_value_that_is_not_finite_stays_so():
    layer = Sparse(torch.tensor([[True, True]]), ONE, ONE)
    for bad in (np.nan, np.inf):
        x, outputs, gradient = np.full(16, bad, np.float32), np.zeros(8, np.float32), np.zeros(2, np.float32)
        values = np.ones(2, np.float32)
        gather(outputs, x, np.zeros(1, np.float32), values, *layer.forward.arguments(), 8)
        weight_gradient(gradient, values.repeat(4), x, *layer.forward.arguments(), 8)
        assert not np.isfinite(outputs).any() and not np.isfinite(gradient).any()
