"""The arms that come with lth: the ticket and its controls, at its density layer by layer, recipe and data order.

Two differ in a part of that: `small_dense` has as many weights, but another network; the masks of `set` and `rigl` keep
their counts, but change in training.
"""

from dataclasses import replace

import torch

from lth.core.weights import State, beside, norm, with_beside
from lth.lottery.arms import arm
from lth.lottery.context import Context
from lth.lottery.iterate import replayed, tuned
from lth.lottery.levels import Level
from lth.lottery.narrow import narrowed, weights_of
from lth.pruning.updates import RigL, Set
from lth.training.run_spec import RunSpec


@arm
def ticket(level: Level, context: Context) -> RunSpec:
    """The level's mask, on the weights of the rewind point, at level 0 the dense network.

    The winning ticket of Frankle & Carbin 2019, where it wins. With `iterate=lr` or `finetune` it goes on from the
    trained weights that the mask was scored on.
    """
    return level.ticket_spec


@arm(draws=True, needs=["fresh_weights"])
def reinit(level: Level, context: Context) -> RunSpec:
    """The level's mask, on a new draw of the initialiser (random reinitialisation).

    Frankle & Carbin 2019, section 2.
    """
    return replace(level.spec, initial_state=context.weights(level))


@arm(draws=True, needs=["scaled_weights"])
def reinit_plus(level: Level, context: Context) -> RunSpec:
    """The level's mask, on a new draw, scaled to each unit's unmasked fan-in.

    Evci et al. 2022, section 3 and Scratch+: the variance is 2 over the inputs that the mask leaves the unit.
    """
    return replace(level.spec, initial_state=context.weights_plus(level))


@arm(draws=True)
def shuffle(level: Level, context: Context) -> RunSpec:
    """The level's mask, shuffled within each layer, on the weights of the rewind point (random sparsity).

    Frankle & Carbin 2019, Fig. 1. A mask of channels, or of N:M, is still one: whole channels change places.
    """
    return replace(level.spec, mask=context.mask(level))


@arm(draws=True, needs=["fresh_weights"])
def scratch(level: Level, context: Context) -> RunSpec:
    """The level's mask, shuffled within each layer, on a new draw of the initialiser, nothing of the ticket.

    At rewind 0 it equals `shuffle` in distribution.
    """
    return replace(level.spec, initial_state=context.weights(level), mask=context.mask(level))


@arm(draws=True, needs=["small_network"])
def small_dense(level: Level, context: Context) -> RunSpec:
    """No mask, on a new draw of the initialiser, of a narrower network with as many weights.

    Every hidden width times one factor: as near to the weights that the mask keeps as that comes (Evci et al. 2022).
    """
    assert context.small is not None, "needs small_network"
    level.spec.side.rewind()  # the narrower network begins with what this one began with
    model = narrowed(level.spec.model, weights_of(level.spec.model, level.spec.mask))
    parameters = dict(model.named_parameters())
    full_mask = {name: torch.ones(parameters[name].shape, dtype=torch.bool) for name in level.spec.mask}
    return replace(level.spec, model=model, initial_state=context.small(model, context.seed(level)), mask=full_mask)


@arm
def dense_l1(level: Level, context: Context) -> RunSpec:
    """No mask, on the weights of the rewind point, scaled to the L1 norm that the level's mask leaves them.

    Minegishi et al. 2023, section 4: whether a ticket is more than a small norm. One factor for all prunable weights.
    """
    return _of_equal_norm(level, 1)


@arm
def dense_l2(level: Level, context: Context) -> RunSpec:
    """No mask, on the weights of the rewind point, scaled to the L2 norm that the level's mask leaves them."""
    return _of_equal_norm(level, 2)


@arm(needs=["trained_weights", "held_rate"])
def finetune(level: Level, context: Context) -> RunSpec:
    """The level's mask, on the trained weights that it was scored on, a low rate held: the schedule's last.

    Renda et al. 2020, section 2. After a cosine schedule, whose last rate is zero, it is 1% of the first.
    """
    return tuned(level.spec, _trained(level), context.finetune_lr)


@arm(needs=["trained_weights"])
def restart(level: Level, context: Context) -> RunSpec:
    """The level's mask, on the trained weights that it was scored on, the schedule replayed.

    Learning-rate rewinding in full (Renda et al. 2020, section 2).
    """
    return replayed(level.spec, _trained(level))


@arm(draws=True, needs=["fresh_weights", "rewiring"])
def set_(level: Level, context: Context) -> RunSpec:
    """The level's mask, on a new draw of the initialiser; in training small weights go and random ones grow (SET).

    Mocanu et al. 2018: each layer's count stays, the share that goes falls as `rewiring.anneal` says.
    """
    return context.rewired(level, context.weights(level), Set)


@arm(draws=True, needs=["fresh_weights", "rewiring"])
def rigl(level: Level, context: Context) -> RunSpec:
    """The level's mask, on a new draw of the initialiser; in training small weights go, large gradients grow (RigL).

    Evci et al. 2020: each layer's count stays, the share that goes falls as `rewiring.anneal` says.
    """
    return context.rewired(level, context.weights(level), RigL)


@arm(draws=True, needs=["scaled_weights", "rewiring"])
def set_plus(level: Level, context: Context) -> RunSpec:
    """The level's mask, on a new draw, scaled to each unit's unmasked fan-in; it changes in training as in SET."""
    return context.rewired(level, context.weights_plus(level), Set)


@arm(draws=True, needs=["scaled_weights", "rewiring"])
def rigl_plus(level: Level, context: Context) -> RunSpec:
    """The level's mask, on a new draw, scaled to each unit's unmasked fan-in; it changes in training as in RigL."""
    return context.rewired(level, context.weights_plus(level), RigL)


def _of_equal_norm(level: Level, p: int) -> RunSpec:
    """The dense network from the rewind point, its prunable weights times one factor."""
    state, mask = level.spec.initial_state, level.spec.mask
    full_mask = {name: torch.ones_like(kept) for name, kept in mask.items()}
    dense = norm(state, full_mask, p)
    factor = norm(state, mask, p) / dense if dense else 1.0
    scaled = with_beside({name: x * factor if name in mask else x for name, x in state.items()}, beside(state))
    return replace(level.spec, initial_state=scaled, mask=full_mask)


def _trained(level: Level) -> State:
    assert level.source is not None, "controls run at levels >= 1"
    return level.source
