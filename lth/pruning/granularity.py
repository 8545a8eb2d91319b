"""In which units weights are pruned, and which units compete with each other. Imports no torch: checked early."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from lth.core.errors import SettingError

if TYPE_CHECKING:
    from lth.pruning.mask import Layer
    from lth.pruning.schedule import Pruning

CHANNELS = ("output", "input")
"""The granularities whose unit is a channel of a convolution or a unit of a Linear: a slice of the weight."""


def blocks(granularity: str) -> tuple[int, int] | None:
    """(N, M) of the granularity `N:M`, which keeps N of every M consecutive weights; None for any other.

    >>> blocks("2:4")
    (2, 4)
    """
    match = re.fullmatch(r"([0-9]{1,6}):([0-9]{1,6})", granularity)
    return (int(match[1]), int(match[2])) if match else None


def check_granularity(granularity: str) -> None:
    """Raises SettingError for an unknown granularity."""
    n_of_m = blocks(granularity)
    if granularity not in ("weight", *CHANNELS) and n_of_m is None:
        problem = f"must be weight, {', '.join(CHANNELS)}, or N:M such as 2:4"
        raise SettingError("pruning.granularity", granularity, problem)
    if n_of_m and not 0 < n_of_m[0] < n_of_m[1]:
        problem = "must keep at least one of M weights, and fewer than M"
        raise SettingError("pruning.granularity", granularity, problem)


def check_groups(groups: Any) -> None:
    """Raises SettingError for groups that are not lists of name patterns."""
    valid = isinstance(groups, Mapping) and all(
        isinstance(name, str)
        and name
        and isinstance(patterns, (list, tuple))
        and patterns
        and all(isinstance(pattern, str) and pattern for pattern in patterns)
        for name, patterns in groups.items()
    )
    if groups is not None and not valid:
        problem = "must name lists of layer patterns, such as {convs: ['conv*'], rest: ['*']}"
        raise SettingError("pruning.groups", groups, problem)


def unit_name(granularity: str) -> str:
    """What one unit is called."""
    return "channel" if granularity in CHANNELS else "weight"


def axis_of(layer: "Layer", granularity: str) -> int:
    """The axis of the weight of `layer` that its `output` or `input` channels lie along.

    Raises SettingError where no slice of the weight is one channel.
    """
    axis = layer.channels[CHANNELS.index(granularity)]
    if axis is None or axis >= len(layer.shape):
        problem = f"no slice of {layer.name} is one channel, as of a grouped convolution, gates or a bare parameter"
        raise SettingError("pruning.granularity", granularity, f"{problem}; add it to pruning.exclude")
    return axis


def units_of(layer: "Layer", granularity: str) -> int:
    """The number of units in `layer`; for `N:M` it is M, since every block has as many.

    Raises SettingError where the layer cannot be divided into such units.
    """
    if n_of_m := blocks(granularity):
        width, block = layer.shape[layer.along] // layer.groups if len(layer.shape) > 1 else 0, n_of_m[1]
        if width == 0 or width % block:
            problem = f"{layer.name} has {width} inputs, which {block} does not divide; add it to pruning.exclude"
            raise SettingError("pruning.granularity", granularity, problem)
        return block
    return layer.shape[axis_of(layer, granularity)] if granularity in CHANNELS else layer.size


def parts_of(pruning: "Pruning", names: Sequence[str]) -> dict[str, list[str]]:
    """The layers `names` by part; the units of a part compete. A part is a layer, all layers ("") or a named group.

    A layer belongs to the first group with a pattern that matches it. Raises SettingError for a layer without a group,
    and for a group without a layer.
    """
    if pruning.scope == "layerwise":
        return {name: [name] for name in names}
    if pruning.scope == "global":
        return {"": list(names)}
    parts: dict[str, list[str]] = {group: [] for group in pruning.groups}
    for name in names:
        group = group_of(name, pruning.groups)
        if group is None:
            problem = f"{name} is in no group; end with a group of ['*'], or exclude it"
            raise SettingError("pruning.groups", dict(pruning.groups), problem)
        parts[group].append(name)
    for group, members in parts.items():
        if not members:
            raise SettingError(f"pruning.groups.{group}", pruning.groups[group], f"matches none of {', '.join(names)}")
    return parts


def group_of(name: str, groups: Mapping[str, Sequence[str]]) -> str | None:
    """The first of `groups` with a pattern that matches `name`; None where there is none."""
    return next((group for group, patterns in groups.items() if any(fnmatchcase(name, x) for x in patterns)), None)
