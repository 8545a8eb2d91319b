"""A network whose Linear layers and convolutions multiply compressed sparse rows (CSR), which skips zeros.

For inference alone. On a CPU it is faster from about 90% sparsity; convolutions gain less, since their input has to be
unfolded first, whatever the sparsity.
"""

import copy
import warnings

import torch
from torch import Tensor, nn
from torch.nn import functional

from lth.core.errors import LotteryError


def rows(weight: Tensor) -> Tensor:
    """`weight` (out, ...) as a CSR matrix (out, in); only its non-zeros are stored."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return weight.detach().reshape(len(weight), -1).to_sparse_csr()


class CsrLinear(nn.Module):
    """The layer `linear` with its non-zero weights alone."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = rows(linear.weight)
        bias = linear.bias if linear.bias is not None else linear.weight.new_zeros(linear.out_features)
        self.bias = bias.detach().clone()

    def forward(self, inputs: Tensor) -> Tensor:
        """`inputs` (..., in) -> (..., out)."""
        flat = inputs.reshape(-1, inputs.shape[-1])
        return torch.addmm(self.bias[:, None], self.weight, flat.t()).t().reshape(*inputs.shape[:-1], -1)


class CsrConv2d(nn.Module):
    """`convolution`, with zero padding and no groups, with its non-zero weights alone: unfolds, then multiplies CSR."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.weight = rows(convolution.weight)
        bias = convolution.bias if convolution.bias is not None else convolution.weight.new_zeros(len(self.weight))
        self.bias = bias.detach().clone()
        if isinstance(convolution.padding, str):
            raise LotteryError(f"padding={convolution.padding!r} is not supported by CSR; give it as a number")
        self.kernel, self.stride, self.dilation = convolution.kernel_size, convolution.stride, convolution.dilation
        self.padding: tuple[int, ...] = convolution.padding

    def forward(self, inputs: Tensor) -> Tensor:
        """`inputs` (N, C, H, W) -> (N, out, H', W')."""
        height, width = (
            (size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
            for size, pad, dilation, kernel, stride in zip(
                inputs.shape[2:], self.padding, self.dilation, self.kernel, self.stride, strict=True
            )
        )
        patches = functional.unfold(inputs, self.kernel, self.dilation, self.padding, self.stride)  # (N, C k k, L)
        columns = patches.transpose(0, 1).reshape(patches.shape[1], -1)  # (C k k, N L)
        outputs = torch.addmm(self.bias[:, None], self.weight, columns)  # (out, N L)
        return outputs.reshape(len(outputs), len(inputs), height, width).transpose(0, 1)


def csr_network(model: nn.Module) -> nn.Module:
    """A copy of `model` in evaluation mode with CSR weights; convolutions that CSR does not support stay dense."""
    return replaced(copy.deepcopy(model).eval())


def replaced(module: nn.Module) -> nn.Module:
    """`module` with its Linear layers and plain 2-d convolutions in CSR; submodules are replaced in place."""
    if type(module) is nn.Linear:
        return CsrLinear(module)
    if type(module) is nn.Conv2d and module.groups == 1 and module.padding_mode == "zeros":
        return module if isinstance(module.padding, str) else CsrConv2d(module)
    made = {child: replaced(child) for child in module.children()}
    for name, child in module._modules.items():  # one that has two names is replaced under both
        if child is not None:
            setattr(module, name, made[child])
    return module
