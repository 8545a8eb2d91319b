"""What of a model is pruned, checked before anything is trained; and a model's mask by its present weights."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from lth.core.errors import LotteryError, SettingError
from lth.core.weights import Mask, clone
from lth.lottery import levels as imp
from lth.pruning.granularity import blocks, units_of
from lth.pruning.layer_densities import MEASURED
from lth.pruning.mask import Layer, dense, prunable
from lth.pruning.schedule import Pruning, level_counts
from lth.pruning.scores import COMPARING, OF_NETWORK, check_score
from lth.pruning.scores.inputs import Network
from lth.pruning.select import selection_of
from lth.training.masking import check_fit

log = logging.getLogger(__name__)


def layers_of(model: nn.Module, pruning: Pruning) -> list[Layer]:
    """The layers of `model` that are pruned. Those whose output channels are the classes keep them all.

    So with shape=output the output layer is left out. Raises SettingError for a score, a pattern or a shape that does
    not fit.
    """
    check_score(pruning)
    layers = prunable(model, pruning.exclude, pruning.output)
    if pruning.granularity == "output":
        layers = [layer for layer in layers if layer.kind != "output"]
        if not layers:
            problem = "leaves nothing to prune: the outputs of the last layer are the classes"
            raise SettingError("pruning.granularity", "output", problem)
    selection_of(pruning, layers)
    return layers


def name_output(model: nn.Module, pruning: Pruning) -> None:
    """Says in the log which layer is taken to be the output; once a spec, whatever number of searches it makes."""
    for layer in layers_of(model, pruning):
        if layer.kind == "output":
            log.info("output layer: %s", layer.name)


def checked(
    model: nn.Module, pruning: Pruning, levels: int, arms: Sequence[str]
) -> tuple[list[Layer], list[dict[str, int]]]:
    """The layers of `model` that are pruned, and the level_counts; SettingError for what cannot be done.

    Of densities that are still to be measured it is the level_counts with the same density in every layer.
    """
    layers = layers_of(model, pruning)
    if pruning.score_at == "init":
        for arm in ("finetune", "restart"):
            if arm in arms:
                problem = "goes on from trained weights, and with pruning.score_at=init the mask comes from none"
                raise SettingError("arms", arm, problem)
    known = replace(pruning, layer_densities={"*": 1.0}) if pruning.layer_densities == MEASURED else pruning
    return layers, level_counts(layers, known, levels)


def weights_left(layers: Sequence[Layer], pruning: Pruning, counts: Mapping[str, int]) -> int:
    """How many weights a mask of `counts` keeps; an estimate where channels of several layers compete."""
    if found := blocks(pruning.granularity):
        return sum(layer.size * counts[layer.name] // found[1] for layer in layers)
    total = 0.0
    for part, names in selection_of(pruning, layers).parts.items():
        mine = [layer for layer in layers if layer.name in names]
        total += sum(x.size for x in mine) * counts[part] / sum(units_of(x, pruning.granularity) for x in mine)
    return round(total)


def prune(
    model: nn.Module,
    fraction: float,
    mask: dict[str, Tensor] | None = None,
    *,
    seed: int = 0,
    initial: Mapping[str, Tensor] | None = None,
    examples: tuple[Tensor, Tensor] | None = None,
    **how: Any,
) -> dict[str, Tensor]:
    """The mask of `model` less `fraction` of what `mask` keeps (None: all), by its present weights.

    Of its weights, or of its channels with such a `shape`; `N:M` has a density of its own. `seed`: of a random score.
    `initial`: the weights that training began with, for a score that compares. `examples`: (inputs, labels) of the
    training split as the model takes them, for a score that asks the network; it is asked where they lie. `how`: the
    other fields of `Pruning`, such as score, shape, scope, densities, fractions, exclude. The model is left as it was.
    Raises LotteryError for a mask of another model, and where a layer would be left with nothing.
    """
    pruning = Pruning(fraction=fraction, **how)
    layers = layers_of(model, pruning)
    mask = mask if mask is not None else dense(layers)
    check_fit(model, mask)
    if set(mask) != {layer.name for layer in layers}:
        other = sorted(set(mask) ^ {layer.name for layer in layers})[0]
        raise LotteryError(f"the mask does not fit: {other} is in one of the mask and the layers to prune, not in both")
    if pruning.score in COMPARING and initial is None:
        raise LotteryError(f"the score {pruning.score} needs the weights that training began with: give initial=")
    if pruning.score in OF_NETWORK and examples is None:
        problem = "needs the network's answers: give examples=(inputs, labels) of the training data"
        raise LotteryError(f"the score {pruning.score} {problem}")
    state, selection = clone(model.state_dict()), selection_of(pruning, layers)
    alive = {name: int(selection.alive(name, x.cpu()).sum()) for name, x in mask.items()}
    if blocks(pruning.granularity):
        alive = {}
    keep = level_counts(layers, pruning, 1, alive)[1]
    network = Network(model, state, *examples) if examples is not None else None
    first = None if initial is None else _initial(initial, layers)
    found = imp.prune(state, mask, keep, layers, pruning, seed, 0, first, network)
    return whole_layers_kept(mask, found)


def _initial(initial: Mapping[str, Tensor], layers: Sequence[Layer]) -> dict[str, Tensor]:
    """Those of `layers`; LotteryError where one is missing or of another shape."""
    for layer in layers:
        there = tuple(initial[layer.name].shape) if layer.name in initial else "nothing of that name"
        if there != layer.shape:
            raise LotteryError(f"initial does not fit: {layer.name} is {layer.shape}, initial has {there}")
    return {layer.name: initial[layer.name] for layer in layers}


def whole_layers_kept(before: Mask, after: Mask) -> Mask:
    """`after`; LotteryError where it keeps nothing of a layer that `before` kept something of."""
    for name in imp.collapsed(before, after):
        count = int(torch.count_nonzero(before[name]))
        raise LotteryError(f"layer collapse: all {count:,} weights of {name} would go; prune fewer, or layer by layer")
    return after
