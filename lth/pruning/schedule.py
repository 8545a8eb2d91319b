"""How many weights stay at each level: the ladder. Imports no torch, so that settings are checked early."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from lth.core.errors import SettingError

if TYPE_CHECKING:
    from lth.pruning.mask import Layer

SCOPES = ("layerwise", "global")
SCHEDULES = ("iterative", "one_shot")


@dataclass
class Pruning:
    """What is pruned, by which score, within which scope, and how fast.

    `fraction` of the surviving weights goes at each level; `fractions` overrides it by kind of layer (`conv`,
    `linear`, `output`) or by name pattern, the pattern first. `one_shot` prunes every level from the final weights of
    level 0, to the count that the iterative ladder has there.
    """

    score: str = "magnitude"
    scope: str = "layerwise"
    schedule: str = "iterative"
    fraction: float = 0.2
    fractions: dict[str, float] = field(default_factory=dict)
    exclude: list[str] = field(default_factory=list)
    output: str | None = None

    def __post_init__(self) -> None:
        for key, options in (("scope", SCOPES), ("schedule", SCHEDULES)):
            if getattr(self, key) not in options:
                raise SettingError(f"pruning.{key}", getattr(self, key), f"must be one of {', '.join(options)}")
        if not 0 < self.fraction < 1:
            raise SettingError("pruning.fraction", self.fraction, "must lie above 0 and below 1")
        for name, fraction in self.fractions.items():
            if not 0 <= fraction < 1:
                raise SettingError(f"pruning.fractions.{name}", fraction, "must be at least 0 and below 1")

    def fraction_of(self, layer: "Layer") -> float:
        """The fraction of its surviving weights that `layer` loses at a level."""
        for pattern, fraction in self.fractions.items():
            if pattern not in ("conv", "linear", "output") and fnmatchcase(layer.name, pattern):
                return fraction
        return self.fractions.get(layer.kind, self.fraction)


def _check_patterns(layers: Sequence["Layer"], pruning: Pruning) -> None:
    for pattern in pruning.fractions:
        if pattern not in ("conv", "linear", "output") and not any(fnmatchcase(x.name, pattern) for x in layers):
            names = ", ".join(layer.name for layer in layers)
            raise SettingError(f"pruning.fractions.{pattern}", pruning.fractions[pattern], f"matches none of {names}")


def ladder(layers: Sequence["Layer"], pruning: Pruning, levels: int) -> list[dict[str, int]]:
    """How many weights stay at level 0, 1, ..., `levels`: by layer, or under the key "" for the global scope.

    `round(fraction * alive)` weights go at each level. Raises SettingError for unequal fractions with the global
    scope, and where a level would remove nothing, or all that is left of a layer.
    """
    _check_patterns(layers, pruning)
    fractions = {layer.name: pruning.fraction_of(layer) for layer in layers}
    sizes = {layer.name: layer.size for layer in layers}
    if pruning.scope == "global":
        if len(set(fractions.values())) > 1:
            raise SettingError(
                "pruning.fractions",
                dict(pruning.fractions),
                "must all be equal with pruning.scope=global; the group option pruning=global has one fraction",
            )
        fractions, sizes = {"": next(iter(fractions.values()))}, {"": sum(sizes.values())}
    if levels < 0:
        raise SettingError("levels", levels, "must be at least 0")
    rungs = [sizes]
    for level in range(1, levels + 1):
        alive = rungs[-1]
        rung = {name: count - round(fractions[name] * count) for name, count in alive.items()}
        if sum(rung.values()) == sum(alive.values()):
            raise SettingError("levels", levels, f"level {level} would remove none of {sum(alive.values())} weights")
        emptied = [name for name, count in rung.items() if count == 0 < alive[name]]
        if emptied:
            raise SettingError("levels", levels, f"level {level} would remove the last weight of {emptied[0] or 'all'}")
        rungs.append(rung)
    return rungs
