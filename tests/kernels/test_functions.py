"""Batch norm, ReLU and pooling on tensors whose batch is innermost: as torch's, and none is seen half done."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from lth.kernels.functions import BatchNorm
from lth.kernels.layout import inner, is_inner
from lth.kernels.weights import SparseWeights


@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize("adds", [False, True])
@pytest.mark.parametrize(("training", "offset"), [(True, 0.0), (True, 1000.0), (False, 0.5)])
def test_batch_norm_sum_and_relu_are_torchs(rectified, adds, training, offset):
    generator = torch.Generator().manual_seed(0)
    x, added, dy = (torch.randn(7, 3, 40, 50, generator=generator) for _ in range(3))
    x, added = (x + offset).requires_grad_(), added.requires_grad_()
    weight, bias = (torch.randn(3, generator=generator).requires_grad_() for _ in range(2))
    running = torch.randn(3, generator=generator), torch.rand(3, generator=generator)
    inputs = (x, added, weight, bias) if adds else (x, weight, bias)
    exact = [t.detach().double().requires_grad_() for t in inputs]
    exact_running = [t.double() for t in running]
    out = BatchNorm.apply(x, added if adds else None, weight, bias, running, training, 0.1, 1e-5, rectified)
    expected = functional.batch_norm(exact[0], *exact_running, exact[-2], exact[-1], training, 0.1, 1e-5)
    expected = expected + exact[1] if adds else expected
    expected = expected.relu() if rectified else expected
    tolerance = 1e-4 if offset == 1000 else 1e-5
    assert is_inner(out)
    torch.testing.assert_close(out.double(), expected, rtol=0, atol=10 * tolerance)
    for value, exact_value in zip(running, exact_running, strict=True):
        torch.testing.assert_close(value.double(), exact_value, rtol=tolerance, atol=tolerance)
    gradients = torch.autograd.grad(out, inputs, dy)
    for gradient, other in zip(gradients, torch.autograd.grad(expected, exact, dy.double()), strict=True):
        close = (gradient - other).abs() <= 20 * tolerance * other.abs().max()
        assert close.double().mean() > 0.9999  # where rounding decides about the sign, the ReLU does too


class Block(nn.Module):
    """A convolution and a batch norm, whose outputs a test uses in its own way."""

    def __init__(self, use):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.use, self.kept, self.other = use, [], torch.ones(5, 3, 6, 7)

    def forward(self, x):
        self.other.fill_(1)
        return self.use(self, self.bn(self.conv(x)), x)


def _kept(block, y, x):
    block.kept.append(y)
    return torch.relu(y)


def _kept_in_place(block, y, x):
    block.kept.append(y)
    return functional.relu(y, inplace=True)


def _ignored(block, y, x):
    y.relu_()
    return y * 2


def _added_in_place(block, y, x):
    y += x
    return functional.relu(y)


def _added_to_itself(block, y, x):
    return functional.relu(y + y)


def _inputs_changed(block, y, x):
    total = y + block.other
    block.other.mul_(2)
    return total.relu()


def _no_gradient_after(block, y, x):
    with torch.no_grad():
        block.kept.append(y.relu())
    return y


def _twice(block, y, x):
    return functional.relu(y) + block.bn(block.conv(x)).relu()


def _unused(block, y, x):
    return block.conv(x)


def _hooked(block, y, x):
    y.register_hook(lambda gradient: gradient * 2)
    return functional.relu(y)


USES = {
    "relu": lambda block, y, x: functional.relu(y),
    "sum": lambda block, y, x: (x + y).relu(),
    "sum with another": lambda block, y, x: torch.relu(y + block.bn(x)),
    "scaled sum": lambda block, y, x: torch.add(y, x, alpha=2).relu(),
    "broadcast sum": lambda block, y, x: (y + x[:1]).relu(),
    "number": lambda block, y, x: (y + 1).relu(),
    "asked whether it has a gradient": lambda block, y, x: functional.relu(y) if y.requires_grad else y,
    "the outputs": lambda block, y, x: y,
    "a sum that ends": lambda block, y, x: y + x,
    "kept": _kept,
    "kept in place": _kept_in_place,
    "ignored": _ignored,
    "added in place": _added_in_place,
    "to itself": _added_to_itself,
    "inputs changed": _inputs_changed,
    "no gradient after": _no_gradient_after,
    "twice": _twice,
    "unused": _unused,
    "hooked": _hooked,
}


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("training", [True, False])
def test_nobody_can_tell_that_a_batch_norm_waits(name, training):
    torch.manual_seed(0)
    block = Block(USES[name]).train(training)
    images = torch.randn(5, 3, 6, 7)
    mask = torch.ones_like(block.conv.weight, dtype=torch.bool)
    weights = SparseWeights(block, {"conv.weight": mask})
    results = []
    for sparse in (False, True):
        block.zero_grad()
        block.bn.reset_running_stats()
        block.kept.clear()
        if sparse:
            with weights:
                out = block(inner(images.clone()))
                out.square().sum().backward()
        else:
            out = block(images.clone())
            out.square().sum().backward()
        gradient = weights.values["conv.weight"].grad if sparse else block.conv.weight.grad.reshape(-1)
        rest = [
            p.grad if p.grad is not None else torch.zeros(1) for n, p in block.named_parameters() if n[5:] != "weight"
        ]
        kept = [tensor.detach().clone() for tensor in block.kept]
        results.append([out.detach(), gradient, *rest, *block.bn.buffers(), *kept])
        results[-1] = [tensor.clone() for tensor in results[-1]]
    for dense, sparse in zip(*results, strict=True):
        torch.testing.assert_close(sparse, dense, rtol=1e-4, atol=1e-3)


def test_tensors_stay_with_the_batch_innermost():
    layers = [nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.AvgPool2d(2), nn.ZeroPad2d(1), nn.Dropout()]
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), *layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())
    inner_ones = []
    for layer in model:
        layer.register_forward_hook(lambda module, args, out: inner_ones.append(is_inner(out)))
    with SparseWeights(model, {"0.weight": torch.ones(4, 3, 3, 3, dtype=torch.bool)}):
        model(torch.randn(5, 3, 16, 16))
    assert inner_ones == [True] * len(model)
