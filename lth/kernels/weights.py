"""The kept weights of a model's layers, in the place of its dense ones wherever a layer multiplies by them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from lth.core.errors import LotteryError
from lth.kernels.calls import CALLS, normalization, pair
from lth.kernels.deferred import Deferred
from lth.kernels.functions import Product
from lth.kernels.structure import ONE, Geometry, Sparse

Refusal = Callable[[str, str], object]
"""Called with a parameter's name and what is the matter with it."""

_STATE = ["requires_grad", "is_leaf", "grad_fn", "_version"]
_READS = [
    "shape",
    "dtype",
    "device",
    "layout",
    "ndim",
    "names",
    "itemsize",
    "nbytes",
    "is_cuda",
    "is_sparse",
    "is_quantized",
    "is_meta",
    "is_mkldnn",
    "is_mps",
    "is_nested",
]
_METHODS = ["size", "dim", "numel", "nelement", "stride", "is_contiguous", "element_size", "is_floating_point", "type"]
_METHODS += ["is_complex", "ndimension", "get_device", "storage_offset", "__hash__", "__len__"]
STATE = {getattr(Tensor, name).__get__ for name in _STATE}
HARMLESS = {getattr(Tensor, name).__get__ for name in _READS if hasattr(Tensor, name)}
HARMLESS |= {getattr(Tensor, name) for name in _METHODS if hasattr(Tensor, name)}
"""What may be read of a weight: nothing of its values. STATE: what depends on how a tensor was computed as well."""


@dataclass(frozen=True)
class Use:
    """One call of a layer: its axes and groups, and its inputs, (batch, *shape).

    rows, columns: `ONE` for the axes that it does not have. axes: 0 for a linear layer. inputs: whether their gradient
    is needed.
    """

    axes: int
    rows: Geometry
    columns: Geometry
    groups: int
    filters: int
    batch: int
    shape: tuple[int, ...]
    bias: bool
    inputs: bool

    @property
    def key(self) -> tuple[object, ...]:
        """All but the batch."""
        return self.axes, self.rows, self.columns, self.groups, self.filters, self.shape, self.bias, self.inputs

    @property
    def outputs(self) -> tuple[int, ...]:
        """Rows and columns of the outputs, as far as there are any."""
        return (self.rows.outputs, self.columns.outputs)[2 - self.axes :]

    def dense(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The same call of torch's own function."""
        if self.axes == 0:
            return functional.linear(x, weight, bias)
        convolution = functional.conv1d if self.axes == 1 else functional.conv2d
        axes = (self.rows, self.columns)[2 - self.axes :]
        stride, padding, dilation = ([getattr(axis, key) for axis in axes] for key in ("stride", "padding", "dilation"))
        return convolution(x, weight, bias, stride, padding, dilation, self.groups)


@dataclass(frozen=True)
class Moved:
    """Where kept weights are after a change of masks: those at `before` are at `after` now, of `kept` in all."""

    before: Tensor
    after: Tensor
    kept: int

    def applied(self, state: Tensor) -> Tensor:
        """`state`, such as a momentum of each kept weight, for the new ones; it is 0 for grown weights."""
        moved = state.new_zeros(self.kept)
        moved[self.after] = state[self.before]
        return moved


class SparseWeights(TorchFunctionMode):
    """Within `with weights:`, layers of `model` whose weight is a parameter in `masks` use their kept weights alone.

    values: parameter's name -> its kept weights, (kept,), in the order of the mask: leaves for an optimiser, which get
    gradients in place of the dense parameters. Those are not touched, and stale, until `give`. Modules, parameters and
    the state dict are as they were: it is `functional.linear`, `conv1d` and `conv2d` that look at their weight.

    uses: of a trial, parameter's name -> how its layer was called. refuse: makes it a trial, see lth.kernels.trials.

    Forward and backward passes both belong within. The outputs of such layers have torch's shapes, and the batch
    innermost in memory. Raises LotteryError where one of these parameters is used in any other way.
    """

    def __init__(self, model: nn.Module, masks: Mapping[str, Tensor], refuse: Refusal | None = None) -> None:
        super().__init__()
        parameters = dict(model.named_parameters())
        self.parameters = {name: parameters[name] for name in masks}
        self.names = {id(parameter): name for name, parameter in self.parameters.items()}
        self.values: dict[str, Tensor] = {}
        self.uses: dict[str, list[Use]] = {}
        self._refuse = refuse or _raise
        self._records = refuse is not None
        self._masks: dict[str, Tensor] = {}
        self._places: dict[str, Tensor] = {}
        self._layers: dict[tuple[Any, ...], Sparse] = {}
        self._deferred = Deferred()
        self._calls: dict[Any, Callable[..., Tensor | None]] = {
            **CALLS,
            functional.linear: self._linear,
            functional.conv1d: self._conv1d,
            functional.conv2d: self._conv2d,
            functional.batch_norm: self._batch_norm,
        }
        self._hold(masks)
        for name, places in self._places.items():
            self.values[name] = torch.empty(len(places), requires_grad=True)
        self.take()

    def _hold(self, masks: Mapping[str, Tensor]) -> None:
        self._masks.update({name: mask.cpu() for name, mask in masks.items()})
        self._places.update({name: mask.cpu().reshape(-1).nonzero().squeeze(1) for name, mask in masks.items()})
        self._layers = {key: layer for key, layer in self._layers.items() if key[0] not in masks}

    @torch.no_grad()
    def take(self) -> None:
        """Copies the kept weights from the model's dense ones."""
        for name, values in self.values.items():
            values.copy_(self.parameters[name].reshape(-1)[self._places[name]])

    @torch.no_grad()
    def give(self) -> None:
        """Copies the kept weights to the model's dense ones; pruned weights are 0 there."""
        for name, values in self.values.items():
            parameter = self.parameters[name]
            dense = torch.zeros(parameter.numel())
            dense[self._places[name]] = values
            parameter.copy_(dense.reshape(parameter.shape))

    @torch.no_grad()
    def change(self, masks: Mapping[str, Tensor]) -> dict[str, Moved]:
        """Changes to `masks`, of some or all layers: weights that stay are as they were, grown ones 0.

        `values` holds the same leaves, with other sizes and without gradients; an optimiser's state goes through the
        result: name -> where its weights have moved.
        """
        moves = {}
        for name, mask in masks.items():
            old, new = self._places[name], mask.cpu().reshape(-1).nonzero().squeeze(1)
            before, after = torch.isin(old, new).nonzero().squeeze(1), torch.isin(new, old).nonzero().squeeze(1)
            moves[name] = Moved(before, after, len(new))
            values = self.values[name]
            values.grad = None
            values.data = moves[name].applied(values.data)
        self._hold(masks)
        return moves

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in HARMLESS:
            return func(*args, **kwargs)
        if call := self._calls.get(func):
            if self._deferred:
                self._deferred.fill(only=(*args, *kwargs.values()))
            result = call(*args, **kwargs)
        else:
            call = self._deferred.calls.get(func) if self._deferred else None
            result = call(*args, **kwargs) if call else None
        if result is not None:
            return result
        if self._deferred:
            self._deferred.fill()
        if func not in STATE:
            self._check(func, (*args, *kwargs.values()))
        return func(*args, **kwargs)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        if kind is None:
            self._deferred.fill()
        self._deferred.clear()

    def _check(self, func: Any, arguments: Any) -> None:
        """Refuses a function that is given one of the dense weights, whose values are stale."""
        for argument in arguments:
            if isinstance(argument, Tensor):
                if name := self.names.get(id(argument)):
                    self._refuse(name, f"is used by {_name_of(func)}")
            elif isinstance(argument, (tuple, list)):
                self._check(func, argument)
            elif isinstance(argument, dict):
                self._check(func, argument.values())

    def _linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:
        name = self.names.get(id(weight))
        if name is None or not self._fits(name, x, bias, "linear"):
            return None
        outputs = weight.shape[0]
        rows = x.reshape(-1, x.shape[-1])
        layer = self._layer(name, rows, bias, (ONE, ONE), 1)
        out: Tensor = Product.apply(rows, self.values[name], bias, layer, (len(rows), outputs))
        return out if x.ndim == 2 else out.view(*x.shape[:-1], outputs)

    def _conv1d(self, x: Tensor, weight: Tensor, *settings: Any, **more: Any) -> Tensor | None:
        return self._convolution(1, x, weight, *settings, **more)

    def _conv2d(self, x: Tensor, weight: Tensor, *settings: Any, **more: Any) -> Tensor | None:
        return self._convolution(2, x, weight, *settings, **more)

    def _convolution(
        self,
        axes: int,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor | None:
        name = self.names.get(id(weight))
        if name is None or not self._fits(name, x, bias, f"conv{axes}d"):
            return None
        kernel, sizes = weight.shape[2:], x.shape[2:]
        if x.ndim != axes + 2:
            self._refuse(name, "is given one example without a batch")
            return None
        steps, distances = pair(stride)[-axes:], pair(dilation)[-axes:]
        if padding == "same":
            if any(d * (k - 1) % 2 for d, k in zip(distances, kernel, strict=True)):
                self._refuse(name, "pads unevenly (padding='same' with an even kernel)")
                return None
            padding = [d * (k - 1) // 2 for d, k in zip(distances, kernel, strict=True)]
        edges = pair(0 if padding == "valid" else padding)[-axes:]
        geometry = [Geometry(*axis) for axis in zip(kernel, steps, edges, distances, sizes, strict=True)]
        shape = (len(x), weight.shape[0], *(axis.outputs for axis in geometry))
        if min(shape) < 1:
            return None  # torch says what is wrong
        layer = self._layer(name, x, bias, (ONE if axes == 1 else geometry[0], geometry[-1]), groups)
        out: Tensor = Product.apply(x, self.values[name], bias, layer, shape)
        return out

    def _batch_norm(self, *settings: Any, **more: Any) -> Tensor | None:
        arguments = normalization(*settings, **more)
        return None if arguments is None else self._deferred.batch_norm(*arguments)

    def _fits(self, name: str, x: Tensor, bias: Tensor | None, function: str) -> bool:
        for tensor, what in ((x, "inputs"), (bias, "a bias")):
            if tensor is not None and (tensor.dtype != torch.float32 or tensor.device.type != "cpu"):
                self._refuse(name, f"is given {what} of {tensor.dtype} on {tensor.device} by {function}")
                return False
        if torch.is_autocast_enabled("cpu"):
            self._refuse(name, "is used under autocast")
            return False
        return True

    def _layer(self, name: str, x: Tensor, bias: Tensor | None, axes: tuple[Geometry, Geometry], groups: int) -> Sparse:
        key = (name, *axes, groups)
        if key not in self._layers:
            self._layers[key] = Sparse(self._masks[name], *axes, groups)
        if self._records:
            shape, filters = tuple(x.shape[1:]), self._masks[name].shape[0]
            use = Use(x.ndim - 2, *axes, groups, filters, len(x), shape, bias is not None, x.requires_grad)
            self.uses.setdefault(name, []).append(use)
        return self._layers[key]


def _name_of(func: Any) -> str:
    name = getattr(func, "__name__", str(func))
    return getattr(func.__self__, "__name__", name) if name in ("__get__", "__set__") else name


def _raise(name: str, problem: str) -> None:
    raise LotteryError(f"{name} {problem}, which has no sparse kernel: set recipe.kernels=dense")
