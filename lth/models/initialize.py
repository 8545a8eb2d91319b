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
from lth.models.fans import Layer, dense_fans, fans_under, sparse_fans

Initializer = Callable[[Layer, torch.Generator], Tensor]


def _normal(layer: Layer, variance: float, generator: torch.Generator) -> Tensor:
    return torch.randn(layer.weight.shape, generator=generator) * math.sqrt(variance)


def glorot_normal(layer: Layer, generator: torch.Generator) -> Tensor:
    """N(0, 2 / (fan-in + fan-out)) (Glorot & Bengio 2010; Frankle & Carbin 2019, Fig. 2)."""
    return _normal(layer, 2 / sum(dense_fans(layer)), generator)


def glorot_uniform(layer: Layer, generator: torch.Generator) -> Tensor:
    """U(-a, a) with a^2 = 6 / (fan-in + fan-out) (Glorot & Bengio 2010, eq. 16)."""
    bound = math.sqrt(6 / sum(dense_fans(layer)))
    return (torch.rand(layer.weight.shape, generator=generator) * 2 - 1) * bound


def kaiming_normal(layer: Layer, generator: torch.Generator) -> Tensor:
    """N(0, 2 / fan-in) (He et al. 2015, eq. 10)."""
    return _normal(layer, 2 / dense_fans(layer)[0], generator)


@dataclass(frozen=True)
class UniformGamma:
    """The draw of `base`, and for the scale gamma of each BatchNorm one of U(0, 1), as OpenLTH has it."""

    base: Initializer

    def __call__(self, layer: Layer, generator: torch.Generator) -> Tensor:
        """The weight of `layer`."""
        return self.base(layer, generator)

    def draw_gammas(self, model: nn.Module, seed: int) -> None:
        """Draws the scale of every BatchNorm of `model`, by the name of the module."""
        for name, module in model.named_modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.weight is not None:
                module.weight.copy_(torch.rand(module.weight.shape, generator=rng(seed, "init", name, "weight")))


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
        std = (self.gain / self._fan(sparse_fans(layer, kept))).sqrt()
        if self.uniform:  # U(-a, a) has variance a^2 / 3
            return (torch.rand(kept.shape, generator=generator) * 2 - 1) * (math.sqrt(3) * std).float()
        return torch.randn(kept.shape, generator=generator) * std.float()

    def scale(self, module: nn.Module, kept: Tensor) -> Tensor:
        """By what a draw of the own rule of `module` is multiplied under the mask `kept` of one of its parameters."""
        full, left = (fans_under(module, mask) for mask in (torch.ones_like(kept), kept))
        ratio = self._fan(full) / self._fan(left) if full and left else torch.ones(kept.shape)
        return ratio.sqrt().float()

    def _fan(self, fans: tuple[Tensor, Tensor]) -> Tensor:
        fan_in, fan_out = fans
        fan = {"in": fan_in, "out": fan_out, "average": (fan_in + fan_out) / 2}[self.fan]
        return fan.clamp(min=1)


@dataclass(frozen=True)
class LayerScaled:
    """The draw of the dense initialiser `base` over the square root of the layer's density (Liu et al. 2019).

    As in the comparison and the code of Evci et al. 2022. With a full mask, or none, it is `base`.
    """

    base: Initializer

    def __call__(self, layer: Layer, kept: Tensor, generator: torch.Generator) -> Tensor:
        """The weight of `layer` under its mask `kept` (bool, of the weight's shape, on the CPU)."""
        return self.base(layer, generator) / math.sqrt(int(kept.sum()) / kept.numel())

    def scale(self, module: nn.Module, kept: Tensor) -> Tensor:
        """As of `SparsityAware`: one factor for all, and 1 where no mask changes a fan-in."""
        scaled = kept.ndim > 1 and not isinstance(module, (nn.Embedding, nn.EmbeddingBag))
        return torch.tensor(math.sqrt(kept.numel() / int(kept.sum())) if scaled else 1.0)


MaskInitializer = SparsityAware | LayerScaled

INITIALIZERS: dict[str, Initializer | MaskInitializer | None] = {
    "glorot_normal": glorot_normal,
    "glorot_uniform": glorot_uniform,
    "kaiming_normal": kaiming_normal,
    "kaiming_normal_uniform_gamma": UniformGamma(kaiming_normal),
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


def initialize(
    model: nn.Module, initializer: str, seed: int, mask: Mapping[str, Tensor] | None = None, built: bool = False
) -> State:
    """A new initial state of `model` under `seed`; the model itself stays as it is.

    Every module that has `reset_parameters` draws by it, then attention and `nn.Transformer` of torch by their own
    rule, unless the model was just `built` under the seed. Then, unless `initializer` is `default`, the weights of
    Linear and convolution layers are drawn anew and their biases are zero; norm layers keep their ones and zeros, but
    for the scales of BatchNorm where a `UniformGamma` draws them.
    mask: for the initialisers that need one; a layer without a mask is dense. Other parameters in the mask, such as of
    embeddings and recurrent layers, keep their module's draw, scaled by what the mask leaves of each fan
    (`lth.models.fans.fans_under`). Weights at pruned positions are drawn, too. Raises LotteryError where the mask keeps
    nothing of a layer, or has another shape.

    >>> layer = nn.Linear(3, 2)
    >>> first, again = (initialize(layer, "glorot_normal", seed=0) for _ in range(2))
    >>> torch.equal(first["weight"], again["weight"]), first["bias"].tolist()
    (True, [0.0, 0.0])
    """
    before, draw = clone(model.state_dict()), INITIALIZERS[initializer]
    try:
        _reset(model, seed, built)
        with torch.no_grad():
            if isinstance(draw, MaskInitializer):
                _check_mask(model, mask or {})
                _draw(model, seed, _with_masks(draw, model, mask or {}))
                _scale(model, draw, mask or {})
            elif draw is not None:
                _draw(model, seed, draw)
            if isinstance(draw, UniformGamma):
                draw.draw_gammas(model, seed)
        return clone(model.state_dict())
    finally:
        model.load_state_dict(before)


def _reset(model: nn.Module, seed: int, built: bool) -> None:
    """Every module draws by its `reset_parameters`; those of torch that call it `_reset_parameters` after their parts.

    So they do in their constructors.
    """
    modules = list(model.named_modules())
    torchs = [(name, x) for name, x in modules if isinstance(x, (nn.MultiheadAttention, nn.Transformer))]
    for name, module in modules:
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            with global_rng(seed, "init", name):
                reset()
    for name, module in reversed(torchs) if not built else ():
        with global_rng(seed, "init", name):
            module._reset_parameters()


def _draw(model: nn.Module, seed: int, draw: Initializer) -> None:
    """Draws the weights of Linear layers and convolutions; their biases become zero."""
    for name, module in model.named_modules():
        if isinstance(module, Layer):
            module.weight.copy_(draw(module, rng(seed, "init", name, "weight")))
            if module.bias is not None:
                module.bias.zero_()


def _with_masks(draw: MaskInitializer, model: nn.Module, mask: Mapping[str, Tensor]) -> Initializer:
    """`draw` of each layer under its mask; under a full one where `mask` has none."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}  # a shared tensor has its first name

    def masked(layer: Layer, generator: torch.Generator) -> Tensor:
        kept = mask.get(names.get(id(layer.weight), ""))
        full = torch.ones(layer.weight.shape, dtype=torch.bool)
        return draw(layer, full if kept is None else kept.bool().cpu(), generator)

    return masked


def _scale(model: nn.Module, draw: MaskInitializer, mask: Mapping[str, Tensor]) -> None:
    """Scales the parameters in `mask` that are no weight of a Linear layer or convolution."""
    drawn = {id(module.weight) for module in model.modules() if isinstance(module, Layer)}
    for name, kept in mask.items():
        parameter = model.get_parameter(name)
        if id(parameter) not in drawn:
            module = model.get_submodule(name.rpartition(".")[0])
            parameter.mul_(draw.scale(module, kept.bool().cpu()).to(parameter.device))


def _check_mask(model: nn.Module, mask: Mapping[str, Tensor]) -> None:
    """Raises LotteryError for a mask that does not fit `model`, or leaves nothing of a layer."""
    parameters = dict(model.named_parameters())
    for name, tensor in mask.items():
        if name not in parameters or parameters[name].shape != tensor.shape:
            shape = tuple(parameters[name].shape) if name in parameters else "nothing of that name"
            raise LotteryError(f"the mask does not fit: {name} is {tuple(tensor.shape)}, the model has {shape}")
        if not tensor.any():
            raise LotteryError(f"layer collapse: the mask keeps none of the {tensor.numel():,} weights of {name}")


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
    same = [name for name in sorted(names) if torch.equal(first[name], second[name]) and not _by_rule(first[name])]
    if same:
        mend = "give its module a reset_parameters() that redraws it, or give a function that builds the network"
        raise LotteryError(f"{same[0]} was not redrawn: {mend}")


def _by_rule(weight: Tensor) -> bool:
    """Whether a draw is the same each time by its rule, as the zeros of a bias and the ones of a norm layer are."""
    return weight.ndim < 2 and bool((weight == weight[:1]).all())
