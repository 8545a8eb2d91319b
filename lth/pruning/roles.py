"""What a parameter is in its module: the kind of its layer, and which of its axes are channels."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from torch import Tensor, nn
from torch.nn.utils import parametrize

from lth.core.errors import LotteryError, SettingError

Kind = Literal["conv", "linear", "output", "embedding", "attention", "recurrent", "other"]

STANDARD = nn.Linear | nn.modules.conv._ConvNd
"""The modules whose `weight` masks cover without being named."""
_PROJECTIONS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
_LEGACY = ("_g", "_v", "_orig")
"""The suffixes of what `torch.nn.utils.weight_norm`, `spectral_norm` and `prune` compute a weight from."""
_NEAREST = 3


@dataclass(frozen=True)
class Role:
    """A parameter's kind and axes. place: the name of its module; name: its own among the model's parameters.

    channels: the axes of its (output, input) channels; None where no slice is one channel. along: the axis that blocks
    of N:M run along, that of the inputs where there is one. groups: into how many groups of inputs that axis falls.
    """

    place: str
    name: str
    kind: Kind
    channels: tuple[int | None, int | None] = (None, None)
    along: int = 1
    groups: int = 1


def standard_roles(model: nn.Module) -> list[Role]:
    """The weights of Linear layers and convolutions that are parameters, under every name that they have."""
    roles = []
    for place, module in model.named_modules():
        if isinstance(module, STANDARD) and module._parameters.get("weight") is not None:
            roles.append(_role(place, module, "weight"))
    return roles


def standard_names(model: nn.Module) -> set[str]:
    """The names of the parameters that masks cover without being named, the first of a shared one."""
    first = {id(parameter): name for name, parameter in model.named_parameters()}
    return {first[id(model.get_parameter(role.name))] for role in standard_roles(model)}


def named_roles(model: nn.Module, include: Sequence[str], exclude: Sequence[str] = ()) -> list[Role]:
    """The parameters that match one of the patterns `include` and none of `exclude` (`fnmatch`), under every name.

    Raises SettingError for a pattern that matches no parameter, for a parameter without a dimension or of integers, and
    for one that a parametrisation computes a weight from.
    """
    modules = dict(model.named_modules())
    names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    roles: dict[str, Role] = {}
    for pattern in include:
        matches = [name for name in names if fnmatchcase(name, pattern)]
        if not matches:
            raise SettingError("pruning.include", pattern, _no_match(model, pattern, names))
        for name in matches:
            place, _, attribute = name.rpartition(".")
            if not any(fnmatchcase(name, other) for other in exclude):
                _check_named(pattern, modules, place, attribute)
                roles[name] = _role(place, modules[place], attribute)
    return list(roles.values())


def check_parametrised(model: nn.Module) -> None:
    """Raises LotteryError where the weights of all Linear layers and convolutions of `model` are parametrised."""
    modules = [(place, x) for place, x in model.named_modules() if isinstance(x, STANDARD)]
    if not modules or any(module._parameters.get("weight") is not None for _, module in modules):
        return
    place, module = modules[0]
    sources = [name for name, _ in module.named_parameters(prefix=place) if not name.endswith("bias")]
    problem = "only weights that are parameters themselves can be pruned, so remove what computes it"
    raise LotteryError(f"{_joined(place, 'weight')} is parametrised, computed from {', '.join(sources)}: {problem}")


def _role(place: str, module: nn.Module, attribute: str) -> Role:
    name, weight = _joined(place, attribute), module._parameters[attribute]
    if isinstance(module, nn.Linear) and attribute == "weight":
        return Role(place, name, "linear", (0, 1))
    if isinstance(module, nn.modules.conv._ConvNd) and attribute == "weight":
        one = module.groups == 1
        if module.transposed:  # (in, out, ...), over its groups
            return Role(place, name, "conv", (1 if one else None, 0), 0, module.groups)
        return Role(place, name, "conv", (0, 1 if one else None))
    if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):  # (words, features)
        return Role(place, name, "embedding", (1, 0))
    if isinstance(module, nn.MultiheadAttention) and attribute in _PROJECTIONS:
        return Role(place, name, "attention", (0, 1))
    if isinstance(module, (nn.RNNBase, nn.RNNCellBase)) and weight is not None and weight.ndim == 2:
        gates = 1 if isinstance(module, (nn.RNN, nn.RNNCell)) else None  # of others, rows are gates and not units
        return Role(place, name, "recurrent", (0 if gates else None, 1))
    return Role(place, name, "other")


def _check_named(pattern: str, modules: dict[str, nn.Module], place: str, attribute: str) -> None:
    """Raises SettingError for a parameter that no mask can cover."""
    owner, name = modules[place], _joined(place, attribute)
    mend = "narrow the pattern, or add it to pruning.exclude"
    if source := _parametrised(modules, place, attribute):
        problem = f"{name} is what a parametrisation of {source} computes its weight from, and only weights that are"
        raise SettingError("pruning.include", pattern, f"{problem} parameters themselves can be pruned; {mend}")
    parameter = owner._parameters[attribute]
    if parameter is None or not parameter.is_floating_point():
        raise SettingError("pruning.include", pattern, f"{name} holds no floating-point numbers; {mend}")
    if parameter.ndim == 0:
        problem = f"{name} is a single number without a dimension, of which nothing can be pruned; {mend}"
        raise SettingError("pruning.include", pattern, problem)


def _parametrised(modules: dict[str, nn.Module], place: str, attribute: str) -> str:
    """The module whose weight is computed from the parameter `attribute` of the module `place`; empty for none."""
    owner = modules[place]
    if isinstance(owner, parametrize.ParametrizationList):
        return place.rpartition("parametrizations")[0].rstrip(".") or "the model"
    computed = [name for name, value in vars(owner).items() if isinstance(value, Tensor)]
    if any(attribute == f"{name}{suffix}" for name in computed for suffix in _LEGACY):
        return place or "the model"
    return ""


def _computed(model: nn.Module) -> Iterator[tuple[str, str]]:
    """(name, module) of each tensor that a module computes from its parameters."""
    for place, module in model.named_modules():
        for name in getattr(module, "parametrizations", {}) if parametrize.is_parametrized(module) else ():
            yield _joined(place, name), place or "the model"
        for name, value in vars(module).items():
            if isinstance(value, Tensor):
                yield _joined(place, name), place or "the model"


def _no_match(model: nn.Module, pattern: str, names: Sequence[str]) -> str:
    """What is wrong with a pattern that matches none of the parameters `names`."""
    for name, place in _computed(model):
        if fnmatchcase(name, pattern):
            return f"{name} is parametrised, computed from others by {place}: remove what computes it"
    for name, _ in model.named_buffers():
        if fnmatchcase(name, pattern):
            return f"{name} is a buffer, which is not trained: only parameters can be pruned"
    nearest = difflib.get_close_matches(pattern.strip("*"), names, _NEAREST, 0.0)
    return f"matches no parameter of the model; the nearest are {', '.join(nearest)}"


def _joined(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name
