"""The mask of a model by its present weights."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lth.core.errors import LotteryError, SettingError
from lth.core.rng import rng
from lth.core.users import users_code
from lth.core.weights import clone
from lth.data.forms import Examples, checked_pair
from lth.pruning.mask import Layer
from lth.pruning.resolved import ResolvedPruning, collapsed, prune_to, resolve
from lth.pruning.schedule import Pruning
from lth.pruning.scores import score_of
from lth.pruning.scores.inputs import Network, ScoreInputs
from lth.training.masking import check_fit


def prune(
    model: nn.Module,
    fraction: float,
    mask: dict[str, Tensor] | None = None,
    *,
    seed: int = 0,
    initial: Mapping[str, Tensor] | None = None,
    examples: Examples | None = None,
    **settings: Any,
) -> dict[str, Tensor]:
    """The mask of `model` with `fraction` of what `mask` keeps (None: every weight) pruned, by its present weights.

    fraction: 0..1, of single weights, or of channels with such a `granularity`; `N:M` has a density of its own. seed:
    of a random score. initial: the weights that training began with, for a score that compares. examples: (inputs,
    labels) of the training split as the model takes them, or a map-style dataset of such pairs: for a score of the
    network, and to find by its forward pass which layers give the outputs (None: the last Linear defined).
    settings: the other fields of `Pruning`, such as score, granularity, scope, layer_densities, exclude. The model is
    unchanged. Raises SettingError for settings that do not fit, and LotteryError for a mask of another model, for a
    score whose `initial` or `examples` are missing, and where a layer would lose its last weight.

    >>> from torch import nn
    >>> mask = prune(nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 2)), 0.25)
    >>> {name: int(kept.sum()) for name, kept in mask.items()}
    {'0.weight': 24, '1.weight': 6}
    """
    pruning = Pruning(fraction=fraction, **settings)
    if mask is not None:
        check_fit(model, mask)
    if examples is not None:
        device = next((parameter.device for parameter in model.parameters()), None)
        inputs, labels = (x.to(device) for x in checked_pair(examples, "examples"))
        examples = (inputs, labels)
    with users_code("the model, on the examples,"):
        return _pruned(model, pruning, mask, seed, initial, examples)


def _pruned(
    model: nn.Module,
    pruning: Pruning,
    mask: dict[str, Tensor] | None,
    seed: int,
    initial: Mapping[str, Tensor] | None,
    examples: tuple[Tensor, Tensor] | None,
) -> dict[str, Tensor]:
    resolved = resolve(model, pruning, 1, mask, None if examples is None else examples[0])
    mask = resolved.dense() if mask is None else mask
    _check_given(resolved, initial, examples)
    state = clone(model.state_dict())
    inputs = ScoreInputs(
        {name: state[name] for name in mask},
        mask,
        rng(seed, "score", 0),
        None if initial is None else _initial(initial, resolved.layers),
        None if examples is None else Network(model, state, *examples),
    )
    pruned = prune_to(resolved, resolved.level_counts[1], inputs)
    for name in collapsed(mask, pruned):
        count = int(torch.count_nonzero(mask[name]))
        raise LotteryError(f"layer collapse: all {count:,} weights of {name} would go; prune fewer, or layer by layer")
    return pruned


def _check_given(
    pruning: ResolvedPruning, initial: Mapping[str, Tensor] | None, examples: tuple[Tensor, Tensor] | None
) -> None:
    """Raises an error for densities that need a search, and for a score whose inputs are missing."""
    score = score_of(pruning.settings)
    if pruning.to_be_measured:
        problem = "is measured in a search, on the trained dense network; here give densities_of(sensitivity(...))"
        raise SettingError("pruning.layer_densities", pruning.settings.layer_densities, problem)
    if "initial" in score.needs and initial is None:
        raise LotteryError(f"the score {score.name} needs the weights that training began with: give initial=")
    if score.needs & {"network", "examples"} and examples is None:
        problem = "needs the network and training data: give examples=(inputs, labels)"
        raise LotteryError(f"the score {score.name} {problem}")


def _initial(initial: Mapping[str, Tensor], layers: Sequence[Layer]) -> dict[str, Tensor]:
    """The initial weights of `layers`; LotteryError where one is missing or of another shape."""
    for layer in layers:
        shape = tuple(initial[layer.name].shape) if layer.name in initial else "nothing of that name"
        if shape != layer.shape:
            raise LotteryError(f"initial does not fit: {layer.name} is {layer.shape}, initial has {shape}")
    return {layer.name: initial[layer.name] for layer in layers}
