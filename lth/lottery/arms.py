"""Arms: the ticket itself and its controls, all at the ticket's density layer by layer, recipe and data order.

Two leave a part of that: `small_dense` has as many weights, but another network; the masks of `set` and `rigl` keep
their counts, but change in training. The first line of an arm's docstring is what pages and captions say of it.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from lth.core.errors import SettingError
from lth.core.weights import Mask, State
from lth.lottery.context import Context
from lth.lottery.levels import Fit, Level
from lth.lottery.narrow import narrowed
from lth.models.initialize import check_redrawn
from lth.pruning.mask import Layer, dense, kept, prunable
from lth.pruning.updates import RigL, Set
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

log = logging.getLogger(__name__)


Arm = Callable[[Level, Context], RunSpec]


def ticket(level: Level, context: Context) -> RunSpec:
    """The level's mask, on the weights of the rewind point, at level 0 the dense network.

    The winning ticket of Frankle & Carbin 2019, where it wins.
    """
    return level.spec


def reinit(level: Level, context: Context) -> RunSpec:
    """The level's mask, on a new draw of the initialiser (random reinitialisation).

    Frankle & Carbin 2019, section 2.
    """
    return replace(level.spec, initial_state=context.weights("reinit", level))


def reinit_plus(level: Level, context: Context) -> RunSpec:
    """The level's mask, on a new draw, scaled to each unit's unmasked fan-in.

    Evci et al. 2022, section 3 and Scratch+: the variance is 2 over the inputs that the mask leaves the unit.
    """
    return replace(level.spec, initial_state=context.weights_plus("reinit_plus", level))


def shuffle(level: Level, context: Context) -> RunSpec:
    """The level's mask, shuffled within each layer, on the weights of the rewind point (random sparsity).

    Frankle & Carbin 2019, Fig. 1. A mask of channels, or of N:M, is still one: whole channels change places.
    """
    return replace(level.spec, mask=context.mask("shuffle", level))


def scratch(level: Level, context: Context) -> RunSpec:
    """The level's mask, shuffled within each layer, on a new draw of the initialiser, nothing of the ticket.

    At rewind 0 it equals `shuffle` in distribution.
    """
    return replace(level.spec, initial_state=context.weights("scratch", level), mask=context.mask("scratch", level))


def small_dense(level: Level, context: Context) -> RunSpec:
    """No mask, on a new draw of the initialiser, of a narrower network with as many weights.

    Every hidden width times one factor: as near to the weights that the mask keeps as that comes (Evci et al. 2022).
    """
    assert context.small is not None, "small_dense"
    model = narrowed(level.spec.model, weights_of(level.spec.model, level.spec.mask))
    parameters = dict(model.named_parameters())
    whole = {name: torch.ones(parameters[name].shape, dtype=torch.bool) for name in level.spec.mask}
    start = context.small(model, context.seed("small_dense", level))
    return replace(level.spec, model=model, initial_state=start, mask=whole)


def finetune(level: Level, context: Context) -> RunSpec:
    """The level's mask, on the trained weights that it was scored on, the schedule's last rate held.

    Renda et al. 2020, section 2.
    """
    plan = level.spec.plan
    held = replace(plan, lr=plan.rate(plan.total - 1), schedule="constant", milestones=(), gamma=1.0, warmup=0)
    return replace(level.spec, initial_state=_trained(level), plan=held)


def restart(level: Level, context: Context) -> RunSpec:
    """The level's mask, on the trained weights that it was scored on, the schedule replayed.

    Learning-rate rewinding in full (Renda et al. 2020, section 2).
    """
    return replace(level.spec, initial_state=_trained(level))


def set_(level: Level, context: Context) -> RunSpec:
    """The level's mask, on a new draw of the initialiser; in training small weights go and random ones grow (SET).

    Mocanu et al. 2018, as in Evci et al. 2022: each layer's count stays, the share that goes follows the learning rate.
    """
    return context.rewired("set", level, context.weights("set", level), Set)


def rigl(level: Level, context: Context) -> RunSpec:
    """The level's mask, on a new draw of the initialiser; in training small weights go, large gradients grow (RigL).

    Evci et al. 2020, as in Evci et al. 2022: each layer's count stays, the share that goes follows the learning rate.
    """
    return context.rewired("rigl", level, context.weights("rigl", level), RigL)


def set_plus(level: Level, context: Context) -> RunSpec:
    """The level's mask, on a new draw, scaled to each unit's unmasked fan-in; it changes in training as in SET."""
    return context.rewired("set_plus", level, context.weights_plus("set_plus", level), Set)


def rigl_plus(level: Level, context: Context) -> RunSpec:
    """The level's mask, on a new draw, scaled to each unit's unmasked fan-in; it changes in training as in RigL."""
    return context.rewired("rigl_plus", level, context.weights_plus("rigl_plus", level), RigL)


def weights_of(model: nn.Module, mask: Mask) -> int:
    """The Linear and convolution weights of `model` that `mask` keeps; those it does not name are all kept."""
    return sum(kept(mask).values()) + sum(layer.size for layer in prunable(model) if layer.name not in mask)


def _trained(level: Level) -> State:
    assert level.source is not None, "controls run at levels >= 1"
    return level.source


ARMS: dict[str, Arm] = {
    "ticket": ticket,
    "reinit": reinit,
    "reinit_plus": reinit_plus,
    "shuffle": shuffle,
    "scratch": scratch,
    "small_dense": small_dense,
    "finetune": finetune,
    "restart": restart,
    "set": set_,
    "rigl": rigl,
    "set_plus": set_plus,
    "rigl_plus": rigl_plus,
}
RANDOM = ("reinit", "reinit_plus", "shuffle", "scratch", "small_dense", "set", "rigl", "set_plus", "rigl_plus")
"""The arms that are drawn; `draws` repeats them."""
FRESH = ("reinit", "scratch", "set", "rigl")
"""The arms on a new draw of the network's own initialiser."""
PLUS = ("reinit_plus", "set_plus", "rigl_plus")
REWIRED = ("set", "rigl", "set_plus", "rigl_plus")


def meaning(arm: str) -> str:
    """What `arm` is, in a line that begins in the middle of a sentence; empty for one that is not known."""
    first = (getattr(ARMS.get(arm), "__doc__", None) or "").split("\n")[0].rstrip(".")
    return first[:1].lower() + first[1:]


@dataclass(frozen=True)
class Outcome:
    """One trained arm at one level: a row of the results."""

    level: Level
    arm: str
    draw: int
    spec: RunSpec
    result: RunResult


def check(arms: Sequence[str], arm_levels: Sequence[int] | None, levels: int, draws: int) -> None:
    """Raises SettingError for an unknown arm, a level that is not there, or no draws."""
    for arm in arms:
        if arm not in ARMS:
            raise SettingError("arms", arm, f"unknown; known: {', '.join(ARMS)}")
    for level in arm_levels or ():
        if not 1 <= level <= levels:
            raise SettingError("arm_levels", level, f"controls run at levels 1 to {levels}")
    if draws < 1:
        raise SettingError("draws", draws, "must be at least 1")


def check_possible(
    arms: Sequence[str],
    context: Context,
    spec: RunSpec,
    layers: Sequence[Layer],
    counts: Iterable[int],
    trained_weights: bool = True,
) -> None:
    """Raises SettingError or LotteryError for an arm that the network, the plan or `context` do not allow.

    So that it is known before anything is trained. counts: how many weights of `layers` the masks keep at the levels
    that the arms run at. trained_weights: whether the masks are scored on trained weights.
    """
    names, whole = [layer.name for layer in layers], dense(layers)
    if not trained_weights:
        for arm in ("finetune", "restart"):
            if arm in arms:
                problem = "goes on from trained weights, and with pruning.score_at=init the mask comes from none"
                raise SettingError("arms", arm, problem)
    for arm in arms:
        if (arm in PLUS and context.scaled is None) or (arm == "small_dense" and context.small is None):
            raise SettingError("arms", arm, "needs an initialiser that was not given")
    if any(arm in FRESH for arm in arms):
        check_redrawn(spec.model, context.initialize(0), context.initialize(1), names)
    if context.scaled and any(arm in PLUS for arm in arms):
        check_redrawn(spec.model, context.scaled(0, whole), context.scaled(1, whole), names)
    if any(arm in REWIRED for arm in arms):
        context.rewiring.check_times(spec.plan.start, spec.plan.total)
    if "small_dense" in arms:
        others = weights_of(spec.model, whole) - sum(layer.size for layer in layers)
        for count in counts:
            narrowed(spec.model, others + count)


def each_level(arms: Sequence[str], draws: int) -> int:
    """How many trainings the controls among `arms` take at a level."""
    return sum(draws if arm in RANDOM else 1 for arm in arms if arm != "ticket")


def outcomes(
    levels: Iterable[Level],
    arms: Sequence[str],
    fit: Fit,
    context: Context,
    arm_levels: Sequence[int] | None = None,
    draws: int = 1,
) -> Iterator[Outcome]:
    """The ticket of each level, then its controls at `arm_levels` (None: all from 1), each drawn `draws` times."""
    for level in levels:
        warn_if_diverged(level, "ticket", level.result)
        yield Outcome(level, "ticket", 0, level.spec, level.result)
        if level.index == 0 or (arm_levels is not None and level.index not in arm_levels):
            continue
        for arm in (name for name in ARMS if name in arms and name != "ticket"):
            for draw in range(draws if arm in RANDOM else 1):
                spec = ARMS[arm](level, replace(context, draw=draw))
                result = fit(spec)
                warn_if_diverged(level, arm, result)
                yield Outcome(level, arm, draw, spec, result)


def warn_if_diverged(level: Level, arm: str, result: RunResult) -> None:
    """Warns of a training that diverged."""
    if result.status == "diverged":
        log.warning("level %d, %s diverged: %s", level.index, arm, result.message)
