"""The products and passes as functions of torch's autograd; tensors have the batch innermost (lth.kernels.layout)."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from lth.core.errors import LotteryError
from lth.kernels.layout import flat, inner, new
from lth.kernels.passes import channel_sums, max_pool, max_pool_gradient, normalize, normalize_gradient
from lth.kernels.products import gather, weight_gradient
from lth.kernels.structure import Sparse

NOTHING = np.zeros(0, np.float32)


def refuse_second_derivatives() -> None:
    """Raises LotteryError in a backward pass that is itself to be differentiated."""
    if torch.is_grad_enabled():
        raise LotteryError(
            "the sparse kernels have no second derivatives (create_graph=True): set recipe.kernels=dense"
        )


class Product(Function):
    """A linear layer or convolution: x (N, C, ...), the kept weights and the bias -> outputs of `shape`."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, values: Tensor, bias: Tensor | None, layer: Sparse, shape: tuple[int, ...]
    ) -> Tensor:
        x = inner(x)
        ctx.save_for_backward(x, values)
        ctx.layer = layer
        out = new(shape, x)
        shifts = layer.no_shifts if bias is None else bias.detach().contiguous().numpy()
        gather(flat(out), flat(x), shifts, values.detach().numpy(), *layer.forward.arguments(), shape[0])
        return out

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        refuse_second_derivatives()
        (x, values), layer = ctx.saved_tensors, ctx.layer
        with torch._C.DisableTorchFunction():
            signal, batch = flat(inner(dy)), len(dy)
            dx = gradient = bias = None
            if ctx.needs_input_grad[1]:
                gradient = torch.empty_like(values)
                weight_gradient(gradient.numpy(), signal, flat(x), *layer.forward.arguments(), batch)
            if ctx.needs_input_grad[2]:
                bias = torch.empty(layer.filters)
                channel_sums(signal, bias.numpy())
            if ctx.needs_input_grad[0]:
                dx = new(tuple(x.shape), x)
                no_shifts, kept = layer.no_input_shifts, values.detach().numpy()
                gather(flat(dx), signal, no_shifts, kept, *layer.backward.arguments(), batch)
        return dx, gradient, bias, None, None


class BatchNorm(Function):
    """BatchNorm of x (N, C, ...), plus `added` where there is one, through a ReLU where `rectified`.

    running: (mean, variance), which training updates, or None. weight, bias: (C,), or None.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, added: Tensor | None, weight: Tensor | None, bias: Tensor | None,
        running: tuple[Tensor, Tensor] | None, training: bool, momentum: float, eps: float, rectified: bool,
    ) -> Tensor:  # fmt: skip
        x = inner(x)
        channels = x.shape[1]
        out, means, scales = new(tuple(x.shape), x), np.empty(channels, np.float32), np.empty(channels, np.float32)
        factors = np.ones(channels, np.float32) if weight is None else weight.detach().contiguous().numpy()
        shifts = np.zeros(channels, np.float32) if bias is None else bias.detach().contiguous().numpy()
        running_mean, running_var = (NOTHING, NOTHING) if running is None else (r.detach().numpy() for r in running)
        other = NOTHING if added is None else flat(inner(added))
        normalize(
            flat(x), other, flat(out), means, scales, factors, shifts, running_mean, running_var, training,
            momentum, eps, rectified,
        )  # fmt: skip
        ctx.save_for_backward(x, *([out] if rectified else []))
        ctx.state, ctx.added = (means, scales, factors, training), added is not None
        return out

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        refuse_second_derivatives()
        (x, *outs), (means, scales, factors, training) = ctx.saved_tensors, ctx.state
        with torch._C.DisableTorchFunction():
            dx, weight, bias = new(tuple(x.shape), x), torch.empty(x.shape[1]), torch.empty(x.shape[1])
            added = new(tuple(x.shape), x) if ctx.added and outs else None
            out = flat(outs[0]) if outs else NOTHING
            signal = inner(dy)
            other = NOTHING if added is None else flat(added)
            normalize_gradient(
                flat(signal), out, flat(x), flat(dx), other, means, scales, factors,
                weight.numpy(), bias.numpy(), training,
            )  # fmt: skip
        added = signal if ctx.added and not outs else added
        needs = ctx.needs_input_grad
        return dx, added, weight if needs[2] else None, bias if needs[3] else None, None, None, None, None, None


class MaxPool(Function):
    """Max pooling of x (N, C, H, W) to outputs of `shape`; kernel, stride, padding: (rows, columns) each."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, shape: tuple[int, ...], *window: tuple[int, int]) -> Tensor:
        x, out = inner(x), new(shape, x)
        taken = np.empty((*shape[1:], shape[0]), np.uint8)
        ctx.state = (tuple(x.shape), taken, window)
        memory = flat(x).reshape(*x.shape[1:], x.shape[0])
        max_pool(memory, flat(out).reshape(taken.shape), taken, x.shape[2], x.shape[3], *window)
        return out

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        refuse_second_derivatives()
        shape, taken, window = ctx.state
        with torch._C.DisableTorchFunction():
            dx = new(shape, dy)
            memory = flat(dx).reshape(*shape[1:], shape[0])
            max_pool_gradient(flat(inner(dy)).reshape(taken.shape), taken, memory, shape[2], shape[3], *window)
        return dx, None, None, None, None
