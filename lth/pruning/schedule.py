"""What is pruned, how, and how many weights stay at each level: the level_counts. Imports no torch: checked early."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from lth.core.errors import SettingError
from lth.core.setting import setting
from lth.pruning.gradual import GradualSchedule
from lth.pruning.granularity import blocks, check_groups, check_shape, parts_of, units_of, word
from lth.pruning.layer_densities import KINDS, MEASURED, allocated, check_densities, ratios_of

if TYPE_CHECKING:
    from lth.pruning.mask import Layer

SCOPES = ("layerwise", "global", "groups")
SCHEDULES = ("iterative", "one_shot", "gradual")
SCORE_AT = ("trained", "init")


@dataclass
class Pruning:
    """What is pruned, by which score, in which shape, within which scope, and how fast.

    `fraction` of the surviving weights goes at each level; `fractions` overrides it by kind of layer (`conv`,
    `linear`, `output`) or by name pattern, the pattern first. `one_shot` prunes every level from the final weights of
    level 0, `gradual` in one training a level, each to the count that the iterative level_counts has there.

    score_at: the score sees trained weights, or (`init`) those of the rewind point, and no level needs another's
    training.
    granularity: `weight`, `output` or `input` channels, `N:M`; norm: L_n over a channel's scores. groups: for
    scope=groups, name patterns by group. layer_densities: how layers share what stays: `uniform`, `erk`, or in
    proportion to densities by layer, or to what `sensitivity` measures: down to where each layer alone keeps accuracy
    within `tolerance` (0..1).
    steps: how often a score is taken within one pruning (None: as its paper does). examples: of each class, to score
    on.
    """

    score: str = setting("magnitude", "score of weights, of which the lowest go: magnitude, snip, grasp, synflow, ...")
    scope: str = setting(
        "layerwise", "what competes: layerwise (weights of a layer), global (of all layers) or groups (of a group)"
    )
    schedule: str = setting(
        "iterative", "iterative (level by level), one_shot (from level 0) or gradual (within one training)"
    )
    fraction: float = setting(0.2, "share of the remaining weights that each level removes")
    fractions: dict[str, float] = setting({}, "fraction by kind of layer (conv, linear, output) or by name pattern")
    exclude: list[str] = setting([], "name patterns of layers that stay dense")
    output: str | None = setting(None, "name of the output layer; null: the last linear layer")
    score_at: str = setting(
        "trained",
        "weights that are scored: trained, or init (those of the rewind point)",
        unhashed_at_default=True,
        hashed_as="at",
    )
    granularity: str = setting(
        "weight",
        "what goes as one: weight, output (channels), input (channels), or N:M blocks such as '2:4'",
        unhashed_at_default=True,
        hashed_as="shape",
    )
    norm: float = setting(2.0, "channels: p of the norm that gathers their weights' scores", unhashed_at_default=True)
    groups: Any = setting(
        None, "scope=groups: name patterns of each group, as {convs: ['conv*'], rest: ['*']}", unhashed_at_default=True
    )
    layer_densities: Any = setting(
        "uniform",
        "how layers share the remaining weights: uniform, erk, sensitivity, or a density for each layer",
        unhashed_at_default=True,
        hashed_as="densities",
    )
    steps: int | None = setting(
        None, "steps of one pruning, each with new scores; null: as many as the score's paper", unhashed_at_default=True
    )
    examples: int = setting(10, "training examples of each class that scores are computed on", unhashed_at_default=True)
    gradual: GradualSchedule = setting(
        GradualSchedule, "schedule=gradual: when weights are pruned", unhashed_at_default=True
    )
    tolerance: float = setting(
        0.01,
        "layer_densities=sensitivity: accuracy (0 to 1) that pruning a layer alone may cost",
        unhashed_at_default=True,
    )

    def __post_init__(self) -> None:
        for key, options in (("scope", SCOPES), ("schedule", SCHEDULES), ("score_at", SCORE_AT)):
            if getattr(self, key) not in options:
                raise SettingError(f"pruning.{key}", getattr(self, key), f"must be one of {', '.join(options)}")
        if not 0 < self.fraction < 1:
            raise SettingError("pruning.fraction", self.fraction, "must lie above 0 and below 1")
        for name, fraction in self.fractions.items():
            if not 0 <= fraction < 1:
                raise SettingError(f"pruning.fractions.{name}", fraction, "must be at least 0 and below 1")
        check_shape(self.granularity)
        check_densities(self.layer_densities)
        if not 0 < self.norm <= inf:
            raise SettingError("pruning.norm", self.norm, "must be above 0; inf is the largest")
        if not 0 <= self.tolerance < 1:
            raise SettingError("pruning.tolerance", self.tolerance, "must be at least 0 and below 1, in accuracy")
        for key in ("steps", "examples"):
            if getattr(self, key) is not None and getattr(self, key) < 1:
                raise SettingError(f"pruning.{key}", getattr(self, key), "must be at least 1")
        self._check_together()

    def _check_together(self) -> None:
        """Raises SettingError for choices of which one leaves the other nothing to do."""
        check_groups(self.groups)
        if bool(self.groups) != (self.scope == "groups"):
            problem = "goes with pruning.scope=groups: one needs the other, as in {convs: ['conv*'], rest: ['*']}"
            raise SettingError("pruning.groups", self.groups, problem)
        if self.layer_densities != "uniform" and self.scope != "layerwise":
            problem = "says what each layer keeps, so that layers do not compete: it needs pruning.scope=layerwise"
            raise SettingError("pruning.layer_densities", self.layer_densities, problem)
        if blocks(self.granularity) and self.scope != "layerwise":
            problem = (
                f"with the shape {self.granularity} every block keeps as many, layers do not compete: use layerwise"
            )
            raise SettingError("pruning.scope", self.scope, problem)
        if blocks(self.granularity) and self.layer_densities != "uniform":
            problem = f"with the shape {self.granularity} every block keeps as many: leave it out"
            raise SettingError("pruning.layer_densities", self.layer_densities, problem)
        if self.score_at == "init" and self.layer_densities == MEASURED:
            problem = "is measured on the trained dense network, and pruning.score_at=init prunes before any training"
            raise SettingError("pruning.layer_densities", self.layer_densities, problem)
        if self.score_at == "init" and self.schedule == "gradual":
            raise SettingError(
                "pruning.schedule", "gradual", "prunes in training, and pruning.score_at=init before any"
            )

    @property
    def levels_apart(self) -> bool:
        """Whether a level's mask needs the training of no other level but the dense one."""
        return self.schedule != "iterative" or self.score_at == "init"

    @property
    def schedule_label(self) -> str:
        """How masks come about, in a word of the results: the schedule, and whether it is done before training."""
        return self.schedule if self.score_at == "trained" else f"{self.schedule}_at_init"

    def fraction_of(self, layer: "Layer") -> float:
        """The fraction of its surviving weights that `layer` loses at a level."""
        key = layer.key_in(self.fractions)
        return self.fraction if key is None else self.fractions[key]


def _check_patterns(layers: Sequence["Layer"], pruning: Pruning) -> None:
    for pattern in pruning.fractions:
        if pattern not in KINDS and not any(layer.matches(pattern) for layer in layers):
            names = ", ".join(layer.name for layer in layers)
            raise SettingError(f"pruning.fractions.{pattern}", pruning.fractions[pattern], f"matches none of {names}")


def level_counts(
    layers: Sequence["Layer"], pruning: Pruning, levels: int, alive: Mapping[str, int] | None = None
) -> list[dict[str, int]]:
    """How many units stay at level 0, 1, ..., `levels`: by layer, by group, or under the key "" for the global scope.

    Units are single weights or channels; for the shape `N:M` the weights that each block of M keeps. `round(fraction *
    alive)` of them go at each level, from `alive` units (by layer; None: all). Raises SettingError for unequal
    fractions within a part, for a shape that a layer does not have, and where a level would remove nothing, or all
    that is left of a layer.
    """
    _check_patterns(layers, pruning)
    if levels < 0:
        raise SettingError("levels", levels, "must be at least 0")
    first = {layer.name: units_of(layer, pruning.granularity) for layer in layers} | dict(alive or {})
    if found := blocks(pruning.granularity):
        if levels > 1:
            raise SettingError("levels", levels, f"the shape {pruning.granularity} is reached at level 1: use levels=1")
        return [first, {name: min(found[0], count) for name, count in first.items()}][: levels + 1]
    if pruning.layer_densities != "uniform":
        return _allocated(layers, pruning, levels, first)
    parts = parts_of(pruning, [layer.name for layer in layers])
    fractions = {
        part: _fraction(part, [x for x in layers if x.name in names], pruning) for part, names in parts.items()
    }
    all_counts = [{part: sum(first[name] for name in names) for part, names in parts.items()}]
    for level in range(1, levels + 1):
        counts = {part: count - round(fractions[part] * count) for part, count in all_counts[-1].items()}
        _check_counts(level, all_counts[-1], counts, pruning, levels)
        all_counts.append(counts)
    return all_counts


def _fraction(part: str, layers: Sequence["Layer"], pruning: Pruning) -> float:
    """The one fraction of a part."""
    fractions = {pruning.fraction_of(layer) for layer in layers}
    if len(fractions) > 1:
        problem = "must all be equal with pruning.scope=global; the group option pruning=global has one fraction"
        if pruning.scope == "groups":
            problem = f"must be equal within the group {part}; the group option pruning=global has one fraction"
        raise SettingError("pruning.fractions", dict(pruning.fractions), problem)
    return fractions.pop()


def _allocated(layers: Sequence["Layer"], pruning: Pruning, levels: int, first: dict[str, int]) -> list[dict[str, int]]:
    """The counts under `pruning.layer_densities`: in all as many weights as with the global scope, shared out."""
    if pruning.fractions and len({pruning.fraction_of(layer) for layer in layers}) > 1:
        problem = "must all be equal where pruning.layer_densities says what a layer keeps; begin with pruning=erk"
        raise SettingError("pruning.fractions", dict(pruning.fractions), problem)
    ratios = ratios_of(layers, pruning.layer_densities)
    sizes = {layer.name: layer.size for layer in layers}
    total = sum(
        round(sizes[name] * count / units_of(layer, pruning.granularity))
        for layer, (name, count) in zip(layers, first.items(), strict=True)
    )
    fraction, all_counts = pruning.fraction_of(layers[0]), [first]
    for level in range(1, levels + 1):
        total -= round(fraction * total)
        shares = allocated(total, sizes, ratios)
        counts = {
            layer.name: min(
                all_counts[-1][layer.name], round(shares[layer.name] * units_of(layer, pruning.granularity))
            )
            for layer in layers
        }
        _check_counts(level, all_counts[-1], counts, pruning, levels)
        all_counts.append(counts)
    return all_counts


def _check_counts(
    level: int, before: Mapping[str, int], counts: Mapping[str, int], pruning: Pruning, levels: int
) -> None:
    unit = word(pruning.granularity)
    if sum(counts.values()) == sum(before.values()):
        raise SettingError("levels", levels, f"level {level} would remove none of {sum(before.values())} {unit}s")
    emptied = [part for part, count in counts.items() if count == 0 < before[part]]
    if emptied:
        raise SettingError("levels", levels, f"level {level} would remove the last {unit} of {emptied[0] or 'all'}")
