"""Which weights can be pruned, which are kept, and how many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

import torch
from torch import Tensor, nn

from lth.core.errors import SettingError
from lth.core.weights import Mask
from lth.pruning.layer_densities import KINDS

Kind = Literal["conv", "linear", "output"]

_CONVOLUTIONS = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)


@dataclass(frozen=True)
class Layer:
    """A prunable tensor: its name in the state dict, its shape and what kind of layer it belongs to.

    channels: the axes of its (output, input) channels; None where no slice of the tensor is one channel.
    """

    name: str
    shape: tuple[int, ...]
    kind: Kind
    channels: tuple[int | None, int | None] = (0, 1)

    @property
    def size(self) -> int:
        """The number of weights."""
        return torch.Size(self.shape).numel()

    def matches(self, pattern: str) -> bool:
        """Whether the layer's name matches `pattern` (`fnmatch`)."""
        return fnmatchcase(self.name, pattern)

    def key_in(self, options: Mapping[str, object]) -> str | None:
        """The key of `options` that is for this layer: the first name pattern that matches, else its kind."""
        patterns = [key for key in options if key not in KINDS and self.matches(key)]
        return patterns[0] if patterns else self.kind if self.kind in options else None


def prunable(model: nn.Module, exclude: Sequence[str] = (), output: str | None = None) -> list[Layer]:
    """The prunable tensors of `model` in order of definition: the weight of every Linear and convolution.

    exclude: patterns (`fnmatch`) of tensors to leave out. output: the name of the output module; None: the last Linear
    defined. A tensor that two modules share counts once. Raises SettingError where a pattern or `output` matches
    nothing, or nothing is left.

    >>> [layer.name for layer in prunable(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), exclude=["0.*"])]
    ['2.weight']
    """
    modules = {
        name: module for name, module in model.named_modules() if isinstance(module, (nn.Linear, *_CONVOLUTIONS))
    }
    linears = [name for name, module in modules.items() if isinstance(module, nn.Linear)]
    if output is not None and output not in modules:
        raise SettingError("pruning.output", output, f"no such layer; the model has {', '.join(modules)}")
    last = output if output is not None else linears[-1] if linears else None
    parameters = {name for name, _ in model.named_parameters()}  # a shared tensor is listed once
    layers = []
    for name, module in modules.items():
        weight = f"{name}.weight" if name else "weight"
        if weight in parameters:
            kind: Kind = "output" if name == last else "linear" if name in linears else "conv"
            layers.append(Layer(weight, tuple(module.weight.shape), kind, _channels(module)))
    for pattern in exclude:
        if not any(layer.matches(pattern) for layer in layers):
            raise SettingError("pruning.exclude", pattern, f"matches none of {', '.join(x.name for x in layers)}")
    kept = [layer for layer in layers if not any(layer.matches(pattern) for pattern in exclude)]
    if not kept:
        raise SettingError(
            "pruning.exclude", list(exclude), "leaves nothing to prune; a model needs a Linear or Conv layer"
        )
    return kept


def _channels(module: nn.Module) -> tuple[int | None, int | None]:
    """The axes of a module's (output, input) channels: (out, in, ...), transposed (in, out, ...), over its groups."""
    one_group = getattr(module, "groups", 1) == 1
    if getattr(module, "transposed", False):
        return (1 if one_group else None, 0)
    return (0, 1 if one_group else None)


def dense(layers: Sequence[Layer]) -> Mask:
    """The mask that keeps every weight of `layers`."""
    return {layer.name: torch.ones(layer.shape, dtype=torch.bool) for layer in layers}


def kept(mask: Mapping[str, Tensor]) -> dict[str, int]:
    """How many weights `mask` keeps, by layer."""
    return {name: int(tensor.sum()) for name, tensor in mask.items()}


def density(mask: Mapping[str, Tensor]) -> float:
    """Kept / prunable weights, 0..1: the papers' P_m / 100."""
    return sum(kept(mask).values()) / sum(tensor.numel() for tensor in mask.values())


def shuffled(mask: Mapping[str, Tensor], generator: torch.Generator) -> Mask:
    """`mask` with its kept weights at new random positions within each layer; the counts stay.

    The random sparsity of Frankle & Carbin 2019, Fig. 1, dashed.
    """
    return {
        name: tensor.flatten()[torch.randperm(tensor.numel(), generator=generator)].reshape(tensor.shape)
        for name, tensor in mask.items()
    }
