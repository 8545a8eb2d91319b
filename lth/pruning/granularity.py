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
"""The shapes whose unit is a whole channel, of a convolution, or a unit of a Linear: a slice of its weight."""


def blocks(shape: str) -> tuple[int, int] | None:
    """(N, M) of the shape `N:M`, which keeps N of every M consecutive weights; None for another shape."""
    match = re.fullmatch(r"(\d+):(\d+)", shape)
    return (int(match[1]), int(match[2])) if match else None


def check_shape(shape: str) -> None:
    """Raises SettingError for a shape that there is not."""
    found = blocks(shape)
    if shape not in ("weight", *CHANNELS) and found is None:
        raise SettingError("pruning.granularity", shape, f"must be weight, {', '.join(CHANNELS)}, or N:M such as 2:4")
    if found and not 0 < found[0] < found[1]:
        raise SettingError("pruning.granularity", shape, "must keep at least one of M weights, and fewer than M")


def check_groups(groups: Any) -> None:
    """Raises SettingError for what does not name lists of patterns."""
    named = isinstance(groups, Mapping) and all(
        name and isinstance(x, (list, tuple)) and x for name, x in groups.items()
    )
    if groups is not None and not named:
        problem = "must name lists of layer patterns, such as {convs: ['conv*'], rest: ['*']}"
        raise SettingError("pruning.groups", groups, problem)


def word(shape: str) -> str:
    """What the level_counts counts, in the singular."""
    return "channel" if shape in CHANNELS else "weight"


def axis_of(layer: "Layer", shape: str) -> int:
    """The axis of the weight of `layer` that its channels of `shape` lie along; SettingError where there is none."""
    axis = layer.channels[CHANNELS.index(shape)]
    if axis is None or axis >= len(layer.shape):
        problem = f"{layer.name} is of a grouped convolution, no slice of it is a whole channel; pruning.exclude it"
        raise SettingError("pruning.granularity", shape, problem)
    return axis


def units_of(layer: "Layer", shape: str) -> int:
    """How many units of `shape` there are in `layer`; of `N:M` it is M, since every block has as many.

    Raises SettingError where the layer does not have that shape.
    """
    if found := blocks(shape):
        width = layer.shape[1] if len(layer.shape) > 1 else 0
        if width == 0 or width % found[1]:
            problem = f"{layer.name} is {width} inputs wide, {found[1]} does not divide that; pruning.exclude it"
            raise SettingError("pruning.granularity", shape, problem)
        return found[1]
    return layer.shape[axis_of(layer, shape)] if shape in CHANNELS else layer.size


def parts_of(pruning: "Pruning", names: Sequence[str]) -> dict[str, list[str]]:
    """The layers `names` by part: units compete within a part. A layer each, all under "", or the named groups.

    A layer is of the first group with a pattern that matches it. Raises SettingError where one is of none, and for a
    group without a layer.
    """
    if pruning.scope == "layerwise":
        return {name: [name] for name in names}
    if pruning.scope == "global":
        return {"": list(names)}
    parts: dict[str, list[str]] = {group: [] for group in pruning.groups}
    for name in names:
        group = group_of(name, pruning.groups)
        if group is None:
            problem = f"{name} is of no group; end with a group of ['*'], or exclude it"
            raise SettingError("pruning.groups", dict(pruning.groups), problem)
        parts[group].append(name)
    for group, found in parts.items():
        if not found:
            raise SettingError(f"pruning.groups.{group}", pruning.groups[group], f"has none of {', '.join(names)}")
    return parts


def group_of(name: str, groups: Mapping[str, Sequence[str]]) -> str | None:
    """The first of `groups` with a pattern that matches `name`."""
    return next((group for group, patterns in groups.items() if any(fnmatchcase(name, x) for x in patterns)), None)
