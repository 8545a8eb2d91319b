"""Which weights can be pruned, which are kept, and how many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from lth.core.errors import LotteryError, SettingError
from lth.core.weights import Mask
from lth.pruning.outputs import Axes
from lth.pruning.parameters import check_parameters
from lth.pruning.roles import Kind, Role, check_parametrised, named_roles, standard_roles


@dataclass(frozen=True)
class Layer:
    """A prunable tensor: its name in the state dict, its shape and what kind of layer it belongs to.

    channels: the axes of its (output, input) channels; None where no slice of the tensor is one channel. output_axes:
    those that the outputs of the network, the classes, lie along; none but in a layer of the kind `output`. along: the
    axis that blocks of N:M run along; groups: of inputs on that axis, which no block crosses.
    """

    name: str
    shape: tuple[int, ...]
    kind: Kind
    channels: tuple[int | None, int | None] = (0, 1)
    output_axes: Axes = frozenset()
    along: int = 1
    groups: int = 1

    @property
    def size(self) -> int:
        """The number of weights."""
        return torch.Size(self.shape).numel()

    def matches(self, pattern: str) -> bool:
        """Whether the layer's name matches `pattern` (`fnmatch`)."""
        return fnmatchcase(self.name, pattern)

    def key_in(self, options: Mapping[str, object]) -> str | None:
        """The key of `options` that is for this layer: the first name pattern that matches, else its kind."""
        patterns = [key for key in options if self.matches(key)]
        return patterns[0] if patterns else self.kind if self.kind in options else None


def prunable(
    model: nn.Module,
    exclude: Sequence[str] = (),
    output: str | None = None,
    traced: Mapping[str, Axes] | None = None,
    include: Sequence[str] = (),
) -> list[Layer]:
    """The prunable tensors of `model` in order of definition: the weight of every Linear and convolution.

    A tensor that modules share counts once, by the first name that the model has for it. include, exclude: patterns
    (`fnmatch`) of further parameters, by any of their names, and of tensors to leave out. output: the name, or a
    pattern of names, of the modules that give the outputs; None: those of `traced`, by
    `lth.pruning.outputs.output_axes`, and without it the last Linear defined. Raises SettingError where a pattern or
    `output` matches nothing, names what cannot be pruned, or leaves nothing; LotteryError where every weight is
    parametrised.

    >>> [layer.name for layer in prunable(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), exclude=["0.*"])]
    ['2.weight']
    """
    check_parameters(model)
    roles = [*standard_roles(model), *named_roles(model, include, exclude)]
    if not roles:
        check_parametrised(model)
        raise LotteryError("the model has no Linear or convolution layer: name what to prune by pruning.include")
    layers = _layers(model, roles, output, traced)
    if include:
        order = {name: place for place, (name, _) in enumerate(model.named_parameters())}
        layers.sort(key=lambda layer: order[layer.name])
    for pattern in exclude:
        if not any(layer.matches(pattern) for layer in layers) and not _excludes(model, pattern, include):
            raise SettingError("pruning.exclude", pattern, f"matches none of {', '.join(x.name for x in layers)}")
    left = [layer for layer in layers if not any(layer.matches(pattern) for pattern in exclude)]
    if not left:
        raise SettingError(
            "pruning.exclude", list(exclude), "leaves nothing to prune; a model needs a Linear or Conv layer"
        )
    return left


def _excludes(model: nn.Module, pattern: str, include: Sequence[str]) -> bool:
    """Whether `pattern` takes out one of the parameters that `include` names."""
    named = [name for name, _ in model.named_parameters(remove_duplicate=False) if fnmatchcase(name, pattern)]
    return any(fnmatchcase(name, other) for name in named for other in include)


def _layers(
    model: nn.Module, roles: Sequence[Role], output: str | None, traced: Mapping[str, Axes] | None
) -> list[Layer]:
    """The parameters in `roles`, a shared one once, by its first role; as in `prunable`."""
    places = dict(model.named_parameters(remove_duplicate=False))
    names = {id(parameter): name for name, parameter in model.named_parameters()}  # a shared one has its first name
    outputs = _outputs(roles, output) if output is not None or traced is None else []
    layers: dict[str, Layer] = {}
    for role in roles:
        name = names[id(places[role.name])]
        axes: Axes = frozenset()
        if role.name in outputs:
            axes = frozenset({role.channels[0] or 0})
        elif traced and output is None:
            axes = traced.get(name, axes)
        if name not in layers or (axes and not layers[name].output_axes):
            kind: Kind = "output" if axes else role.kind
            shape = tuple(places[role.name].shape)
            layers[name] = Layer(name, shape, kind, role.channels, axes, role.along, role.groups)
    return list(layers.values())


def _outputs(roles: Sequence[Role], output: str | None) -> list[str]:
    """The names of the `roles` whose layer `output` names; of the last Linear for None.

    A layer goes by the name of its module, a parameter of another kind, such as a bare one, by its own.
    """
    if output is None:
        return [role.name for role in roles if role.kind == "linear"][-1:]
    places = {role.name: role.name if role.kind == "other" else role.place for role in roles}
    matches = [name for name, place in places.items() if place == output or fnmatchcase(place, output)]
    if not matches:
        known = ", ".join(dict.fromkeys(places.values()))
        raise SettingError("pruning.output", output, f"no such layer; the model has {known}")
    return matches


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
