"""A pruning resolved for one network: which layers it prunes, which units compete, how many stay at each level."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from torch import Tensor, nn

from lth.core.errors import LotteryError, SettingError
from lth.core.weights import Mask
from lth.pruning.granularity import CHANNELS, axis_of, blocks, units_of
from lth.pruning.layer_densities import MEASURED
from lth.pruning.level_counts import level_counts
from lth.pruning.mask import Layer, dense, prunable
from lth.pruning.outputs import Axes, UntraceableError, output_axes
from lth.pruning.schedule import Pruning
from lth.pruning.scores import check_score, score_of, steps_of
from lth.pruning.scores.inputs import ScoreInputs
from lth.pruning.select import Selection, selection_of


@dataclass(frozen=True)
class ResolvedPruning:
    """The settings of a pruning, and what they mean for one network; made once, by `resolve`.

    layers: those that are pruned, in order of definition. selection: which units compete. level_counts: the units that
    each part keeps at level 0, 1, ...; where layer densities are still to be measured, the counts of equal densities,
    until `with_layer_densities` gives those measured. outputs: the layers that give the network's outputs, by name,
    those too that are not pruned since their channels are the classes.
    """

    settings: Pruning
    layers: Sequence[Layer]
    selection: Selection
    level_counts: Sequence[Mapping[str, int]]
    outputs: Sequence[str] = ()

    @property
    def levels(self) -> int:
        """The index of the last level."""
        return len(self.level_counts) - 1

    @property
    def to_be_measured(self) -> bool:
        """Whether the layer densities come from the trained dense network, and are not known yet."""
        return bool(self.settings.layer_densities == MEASURED)

    def dense(self) -> Mask:
        """The mask that keeps every weight of the layers."""
        return dense(self.layers)

    def with_layer_densities(self, densities: Mapping[str, float]) -> "ResolvedPruning":
        """The same with layers that keep weights in proportion to `densities` (by layer, above 0 and at most 1)."""
        settings = replace(self.settings, layer_densities=dict(densities))
        counts = level_counts(self.layers, settings, self.levels)
        return replace(self, settings=settings, level_counts=counts)

    def weights_left(self, level: int) -> int:
        """How many weights the mask of `level` keeps; an estimate where channels of several layers compete."""
        counts, granularity = self.level_counts[level], self.settings.granularity
        if n_of_m := blocks(granularity):
            return sum(layer.size * counts[layer.name] // n_of_m[1] for layer in self.layers)
        total = 0.0
        for part, names in self.selection.parts.items():
            layers = [layer for layer in self.layers if layer.name in names]
            units = sum(units_of(layer, granularity) for layer in layers)
            total += sum(layer.size for layer in layers) * counts[part] / units
        return round(total)


def resolve(
    model: nn.Module,
    pruning: Pruning,
    levels: int,
    mask: Mapping[str, Tensor] | None = None,
    examples: Any | None = None,
) -> ResolvedPruning:
    """`pruning` of `model` for the levels 0 to `levels`, level 0 keeping what `mask` keeps (None: every weight).

    examples: inputs (N, ...), by which the output layers are found unless `pruning.output` names them; without them it
    is the last Linear defined. Raises SettingError for settings that do not fit the network or leave a level nothing to
    do, and where it matters and is not clear which layers give the outputs; LotteryError for a mask of other layers.
    """
    check_score(pruning)
    traced = _traced(model, pruning, examples)
    covered = prunable(model, pruning.exclude, pruning.output, traced, pruning.include)
    layers = _without_classes(model, covered, pruning, examples)
    selection = selection_of(pruning, layers)
    alive = None if mask is None else _alive(selection, layers, mask)
    known = replace(pruning, layer_densities={"*": 1.0}) if pruning.layer_densities == MEASURED else pruning
    outputs = [layer.name for layer in covered if layer.kind == "output"]
    return ResolvedPruning(pruning, layers, selection, level_counts(layers, known, levels, alive), outputs)


def _without_classes(model: nn.Module, layers: list[Layer], pruning: Pruning, examples: Any | None) -> list[Layer]:
    """Those of `layers` whose units are not the classes: of channels, all but the output layers.

    Raises SettingError where none is left, and where the order of definition alone does not tell the output layer.
    """
    if pruning.granularity not in CHANNELS:
        return layers
    if pruning.granularity == "output" and pruning.output is None and examples is None:
        every = [x for x in prunable(model, include=pruning.include) if x.kind in ("conv", "linear", "output")]
        if not every or every[-1].kind != "output":  # such as a convolution: the order of definition says nothing then
            _ask_for_output(every, "that is not clear without examples of the inputs")
    left = [x for x in layers if not x.output_axes or axis_of(x, pruning.granularity) not in x.output_axes]
    if not left:
        problem = "leaves nothing to prune: the channels are the classes"
        raise SettingError("pruning.granularity", pruning.granularity, problem)
    return left


def _traced(model: nn.Module, pruning: Pruning, examples: Any | None) -> Mapping[str, Axes] | None:
    """The parameters that give the outputs; None where they are not to be traced, or cannot be and it matters not."""
    if pruning.output is not None or examples is None:
        return None
    try:
        return output_axes(model, examples)
    except UntraceableError as error:
        options = (pruning.fractions, pruning.layer_densities)
        if pruning.granularity in CHANNELS or any(isinstance(x, Mapping) and "output" in x for x in options):
            _ask_for_output(prunable(model, include=pruning.include), str(error))
        return None


def _ask_for_output(layers: Sequence[Layer], reason: str) -> NoReturn:
    names = ", ".join(layer.name.removesuffix(".weight") for layer in layers)
    raise SettingError("pruning.output", None, f"name the layer whose outputs are the classes, of {names}: {reason}")


def _alive(selection: Selection, layers: Sequence[Layer], mask: Mapping[str, Tensor]) -> dict[str, int]:
    """How many units of each layer `mask` keeps; of `N:M` nothing, since each block counts for itself."""
    if different := sorted(set(mask) ^ {layer.name for layer in layers}):
        problem = f"{different[0]} is in one of the mask and the layers to prune, not in both"
        raise LotteryError(f"the mask does not fit: {problem}")
    if blocks(selection.granularity):
        return {}
    return {name: int(selection.alive(name, kept.cpu()).sum()) for name, kept in mask.items()}


def prune_to(pruning: ResolvedPruning, keep: Mapping[str, int], inputs: ScoreInputs) -> Mask:
    """The mask that keeps exactly `keep` units of each part, those of the highest score among what `inputs.mask` keeps.

    A score that is taken in several steps prunes to counts that fall exponentially, each time on what is left (Tanaka
    et al. 2020, algorithm 1); every step draws the same random numbers. Raises LotteryError where the score needs what
    `inputs` do not hold, or is not a number.
    """
    score, steps = score_of(pruning.settings), steps_of(pruning.settings)
    mask: Mask = dict(inputs.mask)
    alive = pruning.selection.count(mask)
    for step in range(1, steps + 1):
        counts = keep
        if step < steps:
            counts = {part: round(n * (keep[part] / max(1, n)) ** (step / steps)) for part, n in alive.items()}
        scores = score(replace(inputs, mask=mask, generator=inputs.generator.clone_state()))
        mask = pruning.selection.choose(scores, mask, counts)
    return mask


def collapsed(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> list[str]:
    """The layers of which `before` keeps weights and `after` none, as can happen with the global scope."""
    return [name for name, kept in after.items() if before[name].any() and not kept.any()]
