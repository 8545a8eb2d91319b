"""How many units each part keeps at each level. Imports no torch: checked early."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lth.core.errors import SettingError
from lth.pruning.granularity import blocks, parts_of, unit_name, units_of
from lth.pruning.layer_densities import KINDS, allocated, ratios_of
from lth.pruning.schedule import Pruning

if TYPE_CHECKING:
    from lth.pruning.mask import Layer

Counts = dict[str, int]
"""The units that each part keeps."""


def level_counts(
    layers: Sequence["Layer"], pruning: Pruning, levels: int, alive: Mapping[str, int] | None = None
) -> list[Counts]:
    """How many units stay at level 0, 1, ..., `levels`: by layer, by group, or under the key "" for the global scope.

    Units are single weights or channels; for `N:M` the weights that each block of M keeps. `round(fraction * alive)` of
    them go at each level, from `alive` units (by layer; None: all). Raises SettingError for unequal fractions within a
    part, for a granularity that a layer does not have, and where a level would remove nothing, or all that is left of a
    layer.
    """
    _check_patterns(layers, pruning)
    if levels < 0:
        raise SettingError("levels", levels, "must be at least 0")
    first = {layer.name: units_of(layer, pruning.granularity) for layer in layers} | dict(alive or {})
    if n_of_m := blocks(pruning.granularity):
        if levels > 1:
            raise SettingError("levels", levels, f"{pruning.granularity} is reached at level 1: use levels=1")
        return [first, {name: min(n_of_m[0], count) for name, count in first.items()}][: levels + 1]
    if pruning.layer_densities != "uniform":
        return _by_densities(layers, pruning, levels, first)
    parts = parts_of(pruning, [layer.name for layer in layers])
    fractions = {
        part: _fraction(part, [layer for layer in layers if layer.name in names], pruning)
        for part, names in parts.items()
    }
    all_counts = [{part: sum(first[name] for name in names) for part, names in parts.items()}]
    for level in range(1, levels + 1):
        counts = {part: count - round(fractions[part] * count) for part, count in all_counts[-1].items()}
        _check_counts(level, all_counts[-1], counts, pruning, levels)
        all_counts.append(counts)
    return all_counts


def _check_patterns(layers: Sequence["Layer"], pruning: Pruning) -> None:
    for pattern, fraction in pruning.fractions.items():
        if pattern not in KINDS and not any(layer.matches(pattern) for layer in layers):
            names = ", ".join(layer.name for layer in layers)
            raise SettingError(f"pruning.fractions.{pattern}", fraction, f"matches none of {names}")


def _fraction(part: str, layers: Sequence["Layer"], pruning: Pruning) -> float:
    """The common fraction of the layers of a part."""
    fractions = {pruning.fraction_of(layer) for layer in layers}
    if len(fractions) > 1:
        problem = "must all be equal with pruning.scope=global; the group option pruning=global has one fraction"
        if pruning.scope == "groups":
            problem = f"must be equal within the group {part}; the group option pruning=global has one fraction"
        raise SettingError("pruning.fractions", dict(pruning.fractions), problem)
    return fractions.pop()


def _by_densities(layers: Sequence["Layer"], pruning: Pruning, levels: int, first: Counts) -> list[Counts]:
    """The counts under `pruning.layer_densities`: in all as many weights as with the global scope."""
    if pruning.fractions and len({pruning.fraction_of(layer) for layer in layers}) > 1:
        problem = "must all be equal where pruning.layer_densities says what a layer keeps; begin with pruning=erk"
        raise SettingError("pruning.fractions", dict(pruning.fractions), problem)
    ratios = ratios_of(layers, pruning.layer_densities)
    sizes = {layer.name: layer.size for layer in layers}
    units = {layer.name: units_of(layer, pruning.granularity) for layer in layers}
    total = sum(round(sizes[name] * first[name] / units[name]) for name in sizes)
    fraction, all_counts = pruning.fraction_of(layers[0]), [first]
    for level in range(1, levels + 1):
        total -= round(fraction * total)
        densities = allocated(total, sizes, ratios)
        counts = {name: min(all_counts[-1][name], round(densities[name] * units[name])) for name in sizes}
        _check_counts(level, all_counts[-1], counts, pruning, levels)
        all_counts.append(counts)
    return all_counts


def _check_counts(level: int, before: Counts, counts: Counts, pruning: Pruning, levels: int) -> None:
    """Raises SettingError where `level` would remove nothing, or all that is left of a part."""
    unit = unit_name(pruning.granularity)
    if sum(counts.values()) == sum(before.values()):
        raise SettingError("levels", levels, f"level {level} would remove none of {sum(before.values())} {unit}s")
    emptied = [part for part, count in counts.items() if count == 0 < before[part]]
    if emptied:
        raise SettingError("levels", levels, f"level {level} would remove the last {unit} of {emptied[0] or 'all'}")
