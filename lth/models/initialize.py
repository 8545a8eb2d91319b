"""Initial weights, by address: each tensor's draw depends on the seed and its own name alone."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from lth.core.errors import LotteryError
from lth.core.rng import global_rng, rng
from lth.core.weights import State, clone

Initializer = Callable[[Tensor, torch.Generator], Tensor]


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


INITIALIZERS: dict[str, Initializer | None] = {
    "glorot_normal": glorot_normal,
    "glorot_uniform": glorot_uniform,
    "kaiming_normal": kaiming_normal,
    "default": None,
}
"""By name; `default` leaves every module to its own `reset_parameters`."""


def initialize(model: nn.Module, initializer: str, seed: int) -> State:
    """A fresh initial state of `model` under `seed`; the model itself is left as it was.

    Every module that has `reset_parameters` draws by it. Then, unless `initializer` is `default`, the weights of
    Linear and convolution layers are drawn anew and their biases are zero; norm layers keep their ones and zeros.
    """
    before = clone(model.state_dict())
    draw = INITIALIZERS[initializer]
    try:
        for name, module in model.named_modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                with global_rng(seed, "init", name):
                    reset()
        with torch.no_grad():
            for name, module in model.named_modules():
                if draw is not None and isinstance(module, (nn.Linear, nn.modules.conv._ConvNd)):
                    module.weight.copy_(draw(module.weight, rng(seed, "init", name, "weight")))
                    if module.bias is not None:
                        module.bias.zero_()
        return clone(model.state_dict())
    finally:
        model.load_state_dict(before)


def check_redrawn(model: nn.Module, first: State, second: State, prunable: list[str]) -> None:
    """Raises LotteryError where a weight is the same in both draws: then a reinit control would be none.

    The prunable weights are looked at, and those of modules that do not know how to draw their own.
    """
    names = set(prunable)
    for place, module in model.named_modules():
        if not callable(getattr(module, "reset_parameters", None)):
            own = module.named_parameters(prefix=place, recurse=False)
            names |= {name for name, weight in own if weight.ndim >= 2 and weight.requires_grad}
    same = [name for name in sorted(names) if torch.equal(first[name], second[name])]
    if same:
        raise LotteryError(f"{same[0]} was not redrawn: give its module a reset_parameters(), as torch's layers have")
