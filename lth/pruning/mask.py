"""Which weights can be pruned, which are kept, and how many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

import torch
from torch import Tensor, nn

from lth.core.errors import LotteryError, SettingError
from lth.core.weights import Mask
from lth.pruning.layer_densities import KINDS
from lth.pruning.outputs import Axes
from lth.pruning.parameters import check_parameters

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

    channels: the axes of its (output, input) channels; None where no slice of the tensor is one channel. output_axes:
    those that the outputs of the network, the classes, lie along; none but in a layer of the kind `output`.
    """

    name: str
    shape: tuple[int, ...]
    kind: Kind
    channels: tuple[int | None, int | None] = (0, 1)
    output_axes: Axes = frozenset()

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


def prunable(
    model: nn.Module,
    exclude: Sequence[str] = (),
    output: str | None = None,
    traced: Mapping[str, Axes] | None = None,
) -> list[Layer]:
    """The prunable tensors of `model` in order of definition: the weight of every Linear and convolution.

    A tensor that modules share counts once, by the first name that the model has for it. exclude: patterns (`fnmatch`)
    of tensors to leave out. output: the name, or a pattern of names, of the modules that give the outputs; None: those
    of `traced`, by `lth.pruning.outputs.output_axes`, and without it the last Linear defined. Raises SettingError where
    a pattern or `output` matches nothing, or nothing is left, LotteryError where every weight is parametrised.

    >>> [layer.name for layer in prunable(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), exclude=["0.*"])]
    ['2.weight']
    """
    check_parameters(model)
    modules = {
        name: module for name, module in model.named_modules() if isinstance(module, (nn.Linear, *_CONVOLUTIONS))
    }
    layers = _layers(model, modules, output, traced)
    if not layers:
        raise LotteryError("the model has no Linear or convolution layer: there is nothing to prune")
    for pattern in exclude:
        if not any(layer.matches(pattern) for layer in layers):
            raise SettingError("pruning.exclude", pattern, f"matches none of {', '.join(x.name for x in layers)}")
    left = [layer for layer in layers if not any(layer.matches(pattern) for pattern in exclude)]
    if not left:
        raise SettingError(
            "pruning.exclude", list(exclude), "leaves nothing to prune; a model needs a Linear or Conv layer"
        )
    return left


def _layers(
    model: nn.Module, modules: Mapping[str, nn.Module], output: str | None, traced: Mapping[str, Axes] | None
) -> list[Layer]:
    """The weights of `modules` that are parameters of `model`, a shared one once; as in `prunable`."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}  # a shared one has its first name
    outputs = _outputs(modules, output) if output is not None or traced is None else []
    layers: dict[str, Layer] = {}
    for place, module in modules.items():
        weight = module._parameters.get("weight")  # a parametrised one is no parameter
        if weight is None:
            continue
        name, channels = names[id(weight)], _channels(module)
        axes: Axes = frozenset()
        if place in outputs:
            axes = frozenset({channels[0] or 0})
        elif traced and output is None:
            axes = traced.get(name, axes)
        kind: Kind = "output" if axes else "linear" if isinstance(module, nn.Linear) else "conv"
        if name not in layers or axes:
            layers[name] = Layer(name, tuple(weight.shape), kind, channels, axes)
    if modules and not layers:
        place, module = next(iter(modules.items()))
        sources = [name for name, x in module.named_parameters(prefix=place) if not name.endswith("bias")]
        problem = "only weights that are parameters themselves can be pruned, so remove what computes it"
        name = f"{place}.weight" if place else "weight"
        raise LotteryError(f"{name} is parametrised, computed from {', '.join(sources)}: {problem}")
    return list(layers.values())


def _outputs(modules: Mapping[str, nn.Module], output: str | None) -> list[str]:
    """The names of the `modules` that `output` names; of the last Linear for None."""
    if output is None:
        return [name for name, module in modules.items() if isinstance(module, nn.Linear)][-1:]
    matches = [name for name in modules if name == output or fnmatchcase(name, output)]
    if not matches:
        raise SettingError("pruning.output", output, f"no such layer; the model has {', '.join(modules)}")
    return matches


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
