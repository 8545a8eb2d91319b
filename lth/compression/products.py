"""The matrix products and convolutions of a forward pass, whichever way the network calls them, and their weights.

They are seen where torch runs its operators, so that it does not matter whether a layer is called, or its weight is
read by something else: `F.linear(x, layer.weight)`, attention, recurrent layers, weights that are computed first.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from lth.compression.operators import Operators, flops_of
from lth.core.attention import plain_attention
from lth.core.errors import LotteryError, first_line
from lth.core.weights import modes_kept

SUMMED = ("addmm", "baddbmm")
"""Operators whose first argument is added to a product of the next two."""


@dataclass(frozen=True)
class Product:
    """A matrix product or convolution. flops: 2 a multiply-add.

    module: the innermost module that ran it. parameter: the parameter that is its weight; None where the weight is
    computed, or where both factors depend on the input, as in attention. density: non-zeros / size of its weight; 1
    without one.
    """

    flops: int
    module: nn.Module
    parameter: nn.Parameter | None
    density: float


def density_of(weight: Tensor) -> float:
    """Non-zeros / size of a weight."""
    return int(weight.count_nonzero()) / max(1, weight.numel())


@contextmanager
def layers_called() -> Iterator[None]:
    """Within, attention calls its layers one by one: torch's operator for all of them reads their weights itself."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


@contextmanager
def plain_kernels() -> Iterator[None]:
    """Within, attention and recurrent layers run as the products that they are, not as one operator of torch's own."""
    with ExitStack() as stack, layers_called():
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings("ignore", message=".*tf32")  # the flags of oneDNN say so of themselves
        stack.enter_context(plain_attention())
        stack.enter_context(torch.backends.mkldnn.flags(enabled=False))
        yield


@torch.no_grad()
def products(model: nn.Module, example: Tensor) -> list[Product]:
    """Every product in a forward pass of the first input of `example` (N, ...), in evaluation mode.

    Values do not matter: masked and dense networks have the same FLOPs. Raises LotteryError where `model` does not take
    the input.

    >>> [product.flops for product in products(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), torch.zeros(1, 4))]
    [24]
    """
    counter = _Products(model, example[:1])
    with modes_kept(model), plain_kernels(), ExitStack() as hooks:
        model.eval()
        hooks.enter_context(register_module_forward_pre_hook(lambda module, _: counter.stack.append(module)))
        hooks.enter_context(register_module_forward_hook(lambda *_: counter.leave(), always_call=True))
        try:
            with counter:
                model(example[:1])
        except Exception as error:  # a user's network may raise anything
            raise LotteryError(
                f"the model does not take inputs of shape {tuple(example.shape[1:])}: {first_line(error)}"
            ) from error
    return counter.products


class _Products(Operators):
    """Records the products; a tensor that is made from one that depends on the input depends on it, too."""

    def __init__(self, model: nn.Module, inputs: Tensor) -> None:
        super().__init__()
        self.stack: list[nn.Module] = [model]
        self.products: list[Product] = []
        self._parameters = list(model.parameters())
        self._dependent: set[int] = set()
        self._memory: list[Any] = []  # no place in memory is used twice
        self._add(inputs)

    def leave(self) -> None:
        """A module has run."""
        if len(self.stack) > 1:
            self.stack.pop()

    def ran(self, packet: Any, args: Any, kwargs: Any, result: Any) -> None:
        tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        if packet in flop_registry:
            name = str(packet).rpartition(".")[2]
            self._record(flops_of(packet, args, kwargs, result), tensors[1:] if name in SUMMED else tensors)
        if any(map(self._depends, tensors)):
            for value in tree_leaves(result):
                self._add(value)

    def _record(self, flops: int, tensors: Sequence[Tensor]) -> None:
        """Adds a product; its factors are the first two of `tensors`."""
        factors = [(factor, self._parameter(factor)) for factor in tensors[:2]]
        weight = next((pair for pair in factors if pair[1] is not None), None)
        if weight is None and len(free := [pair for pair in factors if not self._depends(pair[0])]) == 1:
            (weight,) = free
        density = 1.0 if weight is None else density_of(weight[0])
        self.products.append(Product(flops, self.stack[-1], None if weight is None else weight[1], density))

    def _parameter(self, tensor: Tensor) -> nn.Parameter | None:
        """The parameter that `tensor` is, or is a part of."""
        place = _place(tensor)
        for parameter in self._parameters:
            if place is not None and _place(parameter) == place:
                begin = parameter.data_ptr()
                if begin <= tensor.data_ptr() < begin + parameter.numel() * parameter.element_size():
                    return parameter
        return None

    def _add(self, value: Any) -> None:
        if isinstance(value, Tensor) and (place := _place(value)) is not None:
            self._dependent.add(place)
            self._memory.append(value.untyped_storage())

    def _depends(self, tensor: Tensor) -> bool:
        return _place(tensor) in self._dependent


def _place(tensor: Tensor) -> int | None:
    """Where the memory of `tensor` begins; None for one without a memory of its own, such as a sparse one."""
    try:
        return tensor.untyped_storage().data_ptr() or None
    except (RuntimeError, NotImplementedError):
        return None
