"""Plain chains of linear layers with a ReLU between each two: found by running the network, trained as one function."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from lth.core.keeping import kept, take
from lth.core.places import hooks_of
from lth.core.weights import modes_kept

_FLATTEN = (torch.flatten, Tensor.flatten, Tensor.view, Tensor.reshape, torch.reshape)
_RELU = (functional.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_)
_WIDE = 64
"""Examples that an evaluation takes at once: a tile of the products."""
_QUESTIONS = (Tensor.size, Tensor.dim, Tensor.shape.__get__, Tensor.ndim.__get__)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class ChainLayer:
    """The names of the weight (outputs, inputs) and the bias (outputs,) of a layer; None without a bias."""

    weight: str
    bias: str | None


def chain_of(model: nn.Module, images: Tensor) -> list[ChainLayer]:
    """The layers of `model` in order, where it is a plain chain: `images` (N, ...), flattened, then linear layers with
    a ReLU between each two; empty where it is anything else, or has a parameter beside them, a frozen one or a hook.

    The network runs on `images` in either mode; nothing of it changes. One that keeps anything beside its state dict,
    such as a counter, is no chain: a chain is trained without calling the network.
    """
    parameters = dict(model.named_parameters())
    tensors = [*parameters.values(), images]
    if any(hooks_of(module) for module in model.modules()) or any(p._backward_hooks for p in parameters.values()):
        return []
    if list(model.buffers()) or not all(x.dtype == torch.float32 and x.device.type == "cpu" for x in tensors):
        return []
    if len(dict(model.named_parameters(remove_duplicate=False))) > len(parameters):  # shared
        return []
    before = take(model)
    with kept(model), modes_kept(model), torch.no_grad():
        chains = [_recorded(model, training, images, parameters) for training in (True, False)]
        changed = any(taken.changed for taken in before.values()) or take(model).keys() != before.keys()
    layers = chains[0]
    names = {name for layer in layers for name in (layer.weight, layer.bias) if name}
    plain = not changed and chains[1] == layers and names == set(parameters)
    return layers if plain and all(p.requires_grad for p in parameters.values()) else []


def _recorded(model: nn.Module, training: bool, images: Tensor, parameters: Mapping[str, Tensor]) -> list[ChainLayer]:
    model.train(training)
    recorder = _Recorder(images, parameters)
    try:
        with recorder:
            outputs = model(images)
    except Exception:  # whatever a user's network raises: its own training will say it
        return []
    linear_end = recorder.layers and not recorder.rectified
    return recorder.layers if recorder.plain and linear_end and outputs is recorder.present else []


class _Recorder(TorchFunctionMode):
    """Follows `present`, from the input on, as long as what is called is of a plain chain."""

    def __init__(self, images: Tensor, parameters: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.names = {id(parameter): name for name, parameter in parameters.items()}
        self.present, self.count = images, len(images)
        self.layers: list[ChainLayer] = []
        self.plain = self.rectified = True  # no ReLU may come before the first layer

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func in _QUESTIONS:
            return result
        weight, bias = (self.names.get(id(x)) for x in (*args[1:3], None, None)[:2])
        biased = len(args) > 2 and args[2] is not None
        if not args or args[0] is not self.present:
            self.plain = False
        elif func in _FLATTEN and not self.layers:
            self.plain &= result.ndim == 2 and len(result) == self.count
        elif func in _RELU:
            self.plain &= not self.rectified
            self.rectified = True
        elif func is functional.linear and not kwargs and weight and (bias or not biased) and result.ndim == 2:
            self.plain &= self.rectified
            self.rectified = False
            self.layers.append(ChainLayer(weight, bias))
        else:
            self.plain = False
        self.present = result
        return result


@dataclass(frozen=True)
class Links:
    """The kept weights between units: those of unit u are the entries ptr[u] to ptr[u + 1] - 1.

    starts: int32, the unit at the other end. places: int32, where the weight lies among all kept weights.
    """

    ptr: Any
    starts: Any
    places: Any


def links_of(masks: Sequence[Tensor], bounds: Sequence[int], back: bool) -> Links:
    """Of the layers with `masks` (outputs, inputs), whose units begin at `bounds`: to the inputs, or `back` to outputs.

    Links back leave the first layer out, whose inputs need no gradient.
    """
    counts, there, places, done = [torch.zeros(bounds[1], dtype=torch.int64)], [], [], 0
    for number, mask in enumerate(masks):
        kept = int(mask.sum())
        if not back:
            counts.append(mask.sum(1))
            there.append(mask.nonzero()[:, 1].int().add_(bounds[number]))
            places.append(torch.arange(done, done + kept, dtype=torch.int32))
        elif number:
            ranks = mask.flatten().cumsum(0, dtype=torch.int32).add_(done - 1).view(mask.shape)
            counts.append(mask.sum(0))
            there.append(mask.t().nonzero()[:, 1].int().add_(bounds[number + 1]))
            places.append(ranks.t()[mask.t()])
        done += kept
    if back:
        counts.append(torch.zeros(len(masks[-1]), dtype=torch.int64))
    ptr = torch.cat([torch.zeros(1, dtype=torch.int64), *counts]).cumsum(0)
    ends = (torch.cat(part) if part else torch.empty(0, dtype=torch.int32) for part in (there, places))
    return Links(ptr.numpy(), *(end.numpy() for end in ends))


class Chain:
    """The kept weights and the biases of a chain with the state of its optimiser, in flat float32 buffers.

    weights: (kept + biases,), the weights of each layer in the order of its mask, then all biases. moments: two of the
    same shape, Adam's or SGD's momentum. A layer without a bias has one that stays zero, which `is_bias` leaves out.
    """

    def __init__(self, masks: Sequence[Tensor], biased: Sequence[bool], batch_size: int) -> None:
        self.bounds = np.cumsum([0, masks[0].shape[1], *(len(mask) for mask in masks)])
        self.forward, self.back = (links_of(masks, list(self.bounds), back) for back in (False, True))
        self.kept, hidden = len(self.forward.places), int(self.bounds[-1] - self.bounds[1])
        self.weights, self.gradients, self.first, self.second = (torch.zeros(self.kept + hidden) for _ in range(4))
        self.is_bias = torch.cat([torch.full((len(mask),), there) for mask, there in zip(masks, biased, strict=True)])
        self.width = -(-batch_size // 8) * 8
        self._x, self._dx = (np.zeros(self.bounds[-1] * self.width, np.float32) for _ in range(2))
        self._wide = np.zeros(self.bounds[-1] * _WIDE, np.float32)
        self._turned, self._zeros = np.zeros(len(self.back.places), np.float32), np.zeros(hidden, np.float32)
        self._flat = [x.numpy() for x in (self.weights, self.gradients, self.first, self.second)]
        more = np.zeros(self.kept if self.width > _WIDE else 0, np.float32)
        links = [x for way in (self.forward, self.back) for x in (way.ptr, way.starts, way.places)]
        buffers = (self._x, self._dx, *self._flat, self._turned, more, self._zeros)
        self._arguments = (*buffers, *links, self.bounds, self.width)

    def iterate(
        self, total: Tensor, images: Any, labels: Any, examples: Any, rates: Any, count: int, how: tuple[Any, ...]
    ) -> None:
        """An iteration on each row of `examples` (steps, batch) of `images` (N, inputs) and `labels` (N,).

        total: float32, (), to which the mean loss of each batch is added, as it is before the step. rates: the learning
        rate of each step, (steps,). count: steps taken before. how: the last arguments of
        `lth.kernels.iteration.iterate`, from `kind` on.
        """
        from lth.kernels.iteration import iterate

        iterate(total.view(1).numpy(), images, labels, examples, rates, count, *self._arguments, *how)

    def outputs(self, images: Tensor) -> Tensor:
        """The outputs (N, classes) for `images` (N, inputs)."""
        from lth.kernels.iteration import outputs

        out = torch.empty(len(images), int(self.bounds[-1] - self.bounds[-2]))
        links = (self.forward.ptr, self.forward.starts, self.forward.places)
        outputs(out.numpy(), images.numpy(), self._wide, self._flat[0], *links, self.bounds, _WIDE)
        return out
