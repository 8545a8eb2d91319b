"""Initial weights, by address: the draw of each tensor depends on nothing but the seed and the tensor's name.

The initialisers that need a mask scale such a draw by what the mask keeps: two masks differ in scale, not in the draw.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from lth.core.errors import LotteryError
from lth.core.rng import global_rng, rng
from lth.core.weights import State, clone

Initializer = Callable[[Tensor, torch.Generator], Tensor]
Layer = nn.Linear | nn.modules.conv._ConvNd


def _fans(weight: Tensor) -> tuple[int, int]:
    """(fan-in, fan-out) of a linear (out, in) or convolution (out, in, *kernel) weight."""
    field = weight[0][0].numel()
    return weight.shape[1] * field, weight.shape[0] * field


def _normal(weight: Tensor, std: float, generator: torch.Generator) -> Tensor:
    return torch.randn(weight.shape, generator=generator) * std


def glorot_normal(weight: Tensor, generator: torch.Generator) -> Tensor:
    """N(0, 2 / (fan-in + fan-out)) (Glorot & Bengio 2010; Frankle & Carbin 2019, Fig. 2)."""
    return _normal(weight, math.sqrt(2 / sum(_fans(weight))), generator)


def glorot_uniform(weight: Tensor, generator: torch.Generator) -> Tensor:
    """U(-a, a) with a^2 = 6 / (fan-in + fan-out) (Glorot & Bengio 2010, eq. 16)."""
    bound = math.sqrt(6 / sum(_fans(weight)))
    return (torch.rand(weight.shape, generator=generator) * 2 - 1) * bound


def kaiming_normal(weight: Tensor, generator: torch.Generator) -> Tensor:
    """N(0, 2 / fan-in) (He et al. 2015, eq. 10)."""
    return _normal(weight, math.sqrt(2 / _fans(weight)[0]), generator)


def sparse_fans(layer: Layer, kept: Tensor) -> tuple[Tensor, Tensor]:
    """(inputs left to each output unit, outputs left to each input unit), float64, both of the shape of the weight.

    kept: the layer's mask. The unit of a convolution is a channel: its fan is the mask summed over the kernel and the
    channels of the other side (of its group).
    """
    groups, transposed = getattr(layer, "groups", 1), getattr(layer, "transposed", False)
    blocks = kept.double().reshape(groups, len(kept) // groups, kept.shape[1], -1)
    of_rows, of_columns = (blocks.sum(axes, keepdim=True).expand_as(blocks) for axes in ((2, 3), (1, 3)))
    fan_in, fan_out = (of_columns, of_rows) if transposed else (of_rows, of_columns)
    return fan_in.reshape(kept.shape), fan_out.reshape(kept.shape)


@dataclass(frozen=True)
class SparsityAware:
    """Draws each weight with variance `gain` over the fan that the mask leaves it (Evci et al. 2022, section 3).

    The fan of a weight is that of its output unit (`in`: the paper's N(0, 2 / fan-in)), that of its input unit
    (`out`), or the mean of the two (`average`), and at least 1, so that a unit with nothing left stays finite. With a
    full mask, or none, `in` is Kaiming's and `average` with gain 1 Glorot's initialiser.
    """

    fan: Literal["in", "out", "average"] = "in"
    gain: float = 2.0
    uniform: bool = False

    def __call__(self, layer: Layer, kept: Tensor, generator: torch.Generator) -> Tensor:
        """The weight of `layer` under its mask `kept` (bool, of the weight's shape, on the CPU)."""
        fan_in, fan_out = sparse_fans(layer, kept)
        fan = {"in": fan_in, "out": fan_out, "average": (fan_in + fan_out) / 2}[self.fan]
        std = (self.gain / fan.clamp(min=1)).sqrt()
        if self.uniform:  # U(-a, a) has variance a^2 / 3
            return (torch.rand(kept.shape, generator=generator) * 2 - 1) * (math.sqrt(3) * std).float()
        return torch.randn(kept.shape, generator=generator) * std.float()


@dataclass(frozen=True)
class LayerScaled:
    """The draw of the dense initialiser `base` over the square root of the layer's density (Liu et al. 2019).

    As in the comparison and the code of Evci et al. 2022. With a full mask, or none, it is `base`.
    """

    base: Initializer

    def __call__(self, layer: Layer, kept: Tensor, generator: torch.Generator) -> Tensor:
        """The weight of `layer` under its mask `kept` (bool, of the weight's shape, on the CPU)."""
        return self.base(layer.weight, generator) / math.sqrt(int(kept.sum()) / kept.numel())


MaskInitializer = SparsityAware | LayerScaled

INITIALIZERS: dict[str, Initializer | MaskInitializer | None] = {
    "glorot_normal": glorot_normal,
    "glorot_uniform": glorot_uniform,
    "kaiming_normal": kaiming_normal,
    "default": None,
    "sparsity_aware": SparsityAware(),
    "sparsity_aware_uniform": SparsityAware(uniform=True),
    "sparsity_aware_fan_out": SparsityAware("out"),
    "sparsity_aware_fan_out_uniform": SparsityAware("out", uniform=True),
    "sparsity_aware_average": SparsityAware("average", gain=1.0),
    "sparsity_aware_average_uniform": SparsityAware("average", gain=1.0, uniform=True),
    "layer_scaled": LayerScaled(kaiming_normal),
    "layer_scaled_glorot_uniform": LayerScaled(glorot_uniform),
}
"""By name; `default` leaves every module to its `reset_parameters`. `needs_mask` tells which scale by a mask."""


def needs_mask(initializer: str) -> bool:
    """Whether the initialiser of that name scales by a mask; without a mask it is Kaiming's or Glorot's."""
    return isinstance(INITIALIZERS[initializer], MaskInitializer)


def initialize(model: nn.Module, initializer: str, seed: int, mask: Mapping[str, Tensor] | None = None) -> State:
    """A new initial state of `model` under `seed`; the model itself stays as it is.

    Every module that has `reset_parameters` draws by it. Then, unless `initializer` is `default`, the weights of
    Linear and convolution layers are drawn anew and their biases are zero; norm layers keep their ones and zeros.
    mask: for the initialisers that need one; a layer without a mask is dense. Weights at pruned positions are drawn,
    too. Raises LotteryError where the mask keeps nothing of a layer, or has another shape.

    >>> layer = nn.Linear(3, 2)
    >>> first, again = (initialize(layer, "glorot_normal", seed=0) for _ in range(2))
    >>> torch.equal(first["weight"], again["weight"]), first["bias"].tolist()
    (True, [0.0, 0.0])
    """
    before, draw = clone(model.state_dict()), INITIALIZERS[initializer]
    kept = _kept(model, mask or {}) if isinstance(draw, MaskInitializer) else {}
    try:
        for name, module in model.named_modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                with global_rng(seed, "init", name):
                    reset()
        with torch.no_grad():
            for name, module in model.named_modules():
                if draw is not None and isinstance(module, Layer):
                    generator = rng(seed, "init", name, "weight")
                    if isinstance(draw, MaskInitializer):
                        module.weight.copy_(draw(module, kept[module], generator))
                    else:
                        module.weight.copy_(draw(module.weight, generator))
                    if module.bias is not None:
                        module.bias.zero_()
        return clone(model.state_dict())
    finally:
        model.load_state_dict(before)


def _kept(model: nn.Module, mask: Mapping[str, Tensor]) -> dict[nn.Module, Tensor]:
    """The mask of each Linear and convolution, on the CPU; a full one where `mask` has none."""
    parameters = dict(model.named_parameters())
    for name, tensor in mask.items():
        if name not in parameters or parameters[name].shape != tensor.shape:
            shape = tuple(parameters[name].shape) if name in parameters else "nothing of that name"
            raise LotteryError(f"the mask does not fit: {name} is {tuple(tensor.shape)}, the model has {shape}")
        if not tensor.any():
            raise LotteryError(f"layer collapse: the mask keeps none of the {tensor.numel():,} weights of {name}")
    names = {id(parameter): name for name, parameter in parameters.items()}  # a shared tensor has its first name
    masks: dict[nn.Module, Tensor] = {}
    for module in model.modules():
        if isinstance(module, Layer):
            kept = mask.get(names.get(id(module.weight), ""))
            full = torch.ones(module.weight.shape, dtype=torch.bool)
            masks[module] = full if kept is None else kept.bool().cpu()
    return masks


def check_redrawn(model: nn.Module, first: State, second: State, prunable: list[str]) -> None:
    """Raises LotteryError where a weight is the same in both draws: then `reinit` would be no control.

    prunable: the names of the weights to compare, besides those of modules without `reset_parameters`, or with a weight
    that is computed from others, which `reset_parameters` does not reach.
    """
    names = set(prunable)
    for place, module in model.named_modules():
        computed = isinstance(vars(module).get("weight"), Tensor)  # as by torch.nn.utils.weight_norm
        if computed or not callable(getattr(module, "reset_parameters", None)):
            parameters = module.named_parameters(prefix=place, recurse=False)
            names |= {name for name, weight in parameters if weight.ndim >= 2 and weight.requires_grad}
    same = [name for name in sorted(names) if torch.equal(first[name], second[name])]
    if same:
        raise LotteryError(f"{same[0]} was not redrawn: give its module a reset_parameters() that redraws it")
