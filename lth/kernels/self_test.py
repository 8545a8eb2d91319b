"""One trial of the kernels on this machine: it compiles them, and compares the products with plain NumPy."""

import numpy as np
import torch

from lth.kernels.chain import Chain
from lth.kernels.structure import ONE, Geometry, Sparse


def layer_error() -> float:
    """The largest error of either product, relative to its largest element, on small layers."""
    _compile_functions()
    axis = Geometry(kernel=3, stride=1, padding=1, dilation=1, inputs=5)
    return max(_error((9, 7, 1, 1), ONE, batch) for batch in (60, 3)) + _error((4, 3, 3, 3), axis, 20)


def _compile_functions() -> None:
    """Runs each function once, forward and backward."""
    from lth.kernels.functions import BatchNorm, MaxPool, Product  # only what is tried is compiled or loaded

    layer = Sparse(torch.ones(2, 2), ONE, ONE)
    with torch.enable_grad():
        values, bias, running = torch.ones(4, requires_grad=True), torch.ones(2, requires_grad=True), torch.ones(2)
        signal = Product.apply(torch.ones(8, 2), values, bias, layer, (8, 2))
        signal = BatchNorm.apply(signal, None, bias, bias, (running, running.clone()), True, 0.1, 1e-5, False)
        images = signal.view(8, 2, 1, 1).expand(8, 2, 2, 2)
        MaxPool.apply(images, (8, 2, 1, 1), (2, 2), (2, 2), (0, 0)).sum().backward()


def chain_error() -> float:
    """The largest error of a chain's outputs and gradients, relative to the largest of each, on a small network."""
    rng = np.random.default_rng(0)
    masks = [torch.from_numpy(rng.random(shape) < 0.5) for shape in ((7, 12), (4, 7))]
    images, labels = rng.standard_normal((20, 12)).astype(np.float32), rng.integers(4, size=20)
    chain = Chain(masks, [True, True], 20)
    chain.weights.copy_(torch.from_numpy(rng.standard_normal(len(chain.weights))))
    outputs = chain.outputs(torch.from_numpy(images)).numpy()
    parts = chain.weights.numpy().astype(float)
    first, second = (np.zeros(mask.shape) for mask in masks)
    ends = np.cumsum([int(masks[0].sum()), int(masks[1].sum()), 7])
    first[masks[0]], second[masks[1]] = parts[: ends[0]], parts[ends[0] : ends[1]]
    hidden = np.maximum(images @ first.T + parts[ends[1] : ends[2]], 0)
    exact = hidden @ second.T + parts[ends[2] :]
    exponentials = np.exp(exact)
    signal = (exponentials / exponentials.sum(1, keepdims=True) - np.eye(4)[labels]) / 20
    back = signal @ second * (hidden > 0)
    gradients = [(back.T @ images)[masks[0]], (signal.T @ hidden)[masks[1]], back.sum(0), signal.sum(0)]
    adam = (0, 0.0, False, 0.0, 0.0, 0.9, 0.999)
    chain.iterate(torch.zeros(()), images, labels, np.arange(20)[None], np.zeros(1), 0, adam)
    return max(_relative(outputs, exact), _relative(chain.gradients.numpy(), np.concatenate(gradients)))


def _error(shape: tuple[int, int, int, int], axis: Geometry, batch: int) -> float:
    """On a layer of `shape`, of which half is kept."""
    from lth.kernels.products import gather, weight_gradient

    rng = np.random.default_rng(0)
    mask = rng.random(shape) < 0.5
    layer = Sparse(torch.from_numpy(mask), axis, axis)
    values, bias = (rng.standard_normal(n).astype(np.float32) for n in (layer.kept, shape[0]))
    x, dy = (rng.standard_normal((n, axis.inputs, axis.inputs, batch)).astype(np.float32) for n in (shape[1], shape[0]))
    outputs, gradient = np.empty_like(dy), np.empty_like(values)
    gather(outputs.reshape(-1), x.reshape(-1), bias, values, *layer.forward.arguments(), batch)
    weight_gradient(gradient, dy.reshape(-1), x.reshape(-1), *layer.forward.arguments(), batch)
    weights = np.zeros(shape)
    weights[mask] = values
    pad = [(0, 0), (axis.padding, axis.padding), (axis.padding, axis.padding), (0, 0)]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x.astype(float), pad), (axis.kernel, axis.kernel), (1, 2))
    exact = np.einsum("cijnhw,ochw->oijn", windows, weights) + bias[:, None, None, None]
    exact_gradient = np.einsum("cijnhw,oijn->ochw", windows, dy)[mask]
    return max(_relative(outputs, exact), _relative(gradient, exact_gradient))


def _relative(result: np.ndarray, exact: np.ndarray) -> float:
    return float(np.abs(result - exact).max() / np.abs(exact).max())
