"""Arms: what is trained at a level, the ticket itself or a control; their registry, checks and outcomes."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

from lth.core.errors import SettingError
from lth.core.registry import Registry
from lth.lottery.context import Context
from lth.lottery.levels import Fit, Level
from lth.lottery.names import ADDED, GROUP, check_levels, first_line
from lth.lottery.narrow import narrowed, weights_of
from lth.models.initialize import check_redrawn
from lth.pruning.mask import Layer, dense
from lth.pruning.roles import standard_names
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

log = logging.getLogger(__name__)

ArmFunction = Callable[[Level, Context], RunSpec]

NEEDS = ("fresh_weights", "scaled_weights", "small_network", "rewiring", "trained_weights", "held_rate")
"""What an arm may need: a new draw of the initialiser, one scaled to the mask, a narrower network, a mask that changes
in training, the trained weights that the mask was scored on, a training at a learning rate that the arm sets."""


@dataclass(frozen=True)
class Arm:
    """What is trained at a level: `make` turns the level, and what its context can draw, into a training.

    draws: whether it is random, so that the setting `draws` repeats it. needs: some of NEEDS; an arm whose needs cannot
    be met is an error before anything is trained.
    """

    name: str
    make: ArmFunction
    draws: bool = False
    needs: frozenset[str] = frozenset()

    def __call__(self, level: Level, context: Context) -> RunSpec:
        """The training of this arm at `level`."""
        return self.make(level, replace(context, arm=self.name))

    @property
    def meaning(self) -> str:
        """What it is, in a line that begins in the middle of a sentence: the first line of its docstring."""
        return first_line(self.make.__doc__)


@overload
def arm(make: ArmFunction, /) -> Arm: ...
@overload
def arm(*, draws: bool = False, needs: Collection[str] = ()) -> Callable[[ArmFunction], Arm]: ...
def arm(
    make: ArmFunction | None = None, /, *, draws: bool = False, needs: Collection[str] = ()
) -> Arm | Callable[[ArmFunction], Arm]:
    """Makes a function from (Level, Context) to a RunSpec an arm; the first line of its docstring says what it is.

    draws: whether it is random; needs: some of `fresh_weights`, `scaled_weights`, `small_network`, `rewiring`,
    `trained_weights` and `held_rate`. `arms=[ticket,my.module:zeroed]` then trains it, and so does a name of the entry
    point group `lth.arms`. A trailing underscore of the function's name is left out.

    >>> from dataclasses import replace
    >>> @arm(draws=True, needs=["fresh_weights"])
    ... def new_biases(level, context):
    ...     "The ticket with new biases."
    ...     drawn = context.weights(level)
    ...     biases = {name: x for name, x in drawn.items() if name.endswith("bias")}
    ...     return replace(level.spec, initial_state=level.spec.initial_state | biases)
    >>> new_biases.name, new_biases.meaning
    ('new_biases', 'the ticket with new biases')
    """
    if unknown := set(needs) - set(NEEDS):
        raise ValueError(f"an arm cannot need {', '.join(sorted(unknown))}; known: {', '.join(NEEDS)}")

    def decorate(make: ArmFunction) -> Arm:
        return Arm(make.__name__.rstrip("_"), make, draws, frozenset(needs))

    return decorate if make is None else decorate(make)


_BUILT_IN: list[str] = []
"""The names of the arms that come with lth, in the order that results have them in."""


def _load() -> None:
    from lth.lottery import controls

    for thing in vars(controls).values():
        if isinstance(thing, Arm):
            _BUILT_IN.append(ARMS.add(thing.name, thing).name)


def _make(thing: object, name: str) -> Arm:
    if not isinstance(thing, Arm):
        raise SettingError("arms", name, "is no arm: decorate the function with @lth.arm")
    made = replace(thing, name=name.rpartition(":")[2])
    ADDED[made.name] = made.meaning
    return made


ARMS: Registry[Arm] = Registry("arm", GROUP, load=_load, make=_make)


def requested(names: Sequence[str]) -> list[Arm]:
    """The arms called `names`, each once, in the order of the results: those of lth first, then others as named.

    Raises SettingError for an unknown name, and for two arms that the results could not tell apart.
    """
    arms: dict[str, Arm] = {}
    for key in dict.fromkeys(names):
        if not isinstance(key, str):
            raise SettingError("arms", repr(key), "must be the name of an arm")
        one = ARMS.get(key, "arms")
        if one.name in arms or (one.name != key and one.name in _BUILT_IN):
            raise SettingError("arms", key, f"results would call it {one.name}, as another arm: rename it")
        arms[one.name] = one
    order = {name: place for place, name in enumerate(_BUILT_IN)}
    return sorted(arms.values(), key=lambda one: order.get(one.name, len(order)))


@dataclass(frozen=True)
class Outcome:
    """One trained arm at one level: a row of the results."""

    level: Level
    arm: str
    draw: int
    spec: RunSpec
    result: RunResult


def check(arms: Sequence[str], arm_levels: Sequence[int] | None, levels: int, draws: int) -> None:
    """Raises SettingError for an unknown arm, a level that does not exist, or no draws."""
    requested(arms)
    check_levels(arm_levels or (), levels)
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
    """Raises SettingError or LotteryError for an arm whose needs the network, the plan or `context` do not meet.

    counts: how many weights of `layers` the masks keep at the levels that the arms run at. trained_weights: whether the
    masks are scored on trained weights.
    """
    needed = {need: one.name for one in reversed(requested(arms)) for need in one.needs}
    names, full_mask = [layer.name for layer in layers], dense(layers)
    for need, given in (
        ("trained_weights", trained_weights),
        ("scaled_weights", context.scaled),
        ("small_network", context.small),
    ):
        if need in needed and not given:
            problem = "needs an initialiser that was not given"
            if need == "trained_weights":
                problem = "goes on from trained weights, and with pruning.score_at=init the mask comes from none"
            raise SettingError("arms", needed[need], problem)
    if "fresh_weights" in needed:
        check_redrawn(spec.model, context.initialize(0), context.initialize(1), names)
    if "scaled_weights" in needed and context.scaled:
        check_redrawn(spec.model, context.scaled(0, full_mask), context.scaled(1, full_mask), names)
    if "rewiring" in needed:
        context.rewiring.check_times(spec.plan.start, spec.plan.total)
    if "small_network" in needed:
        if named := [layer.name for layer in layers if layer.name not in standard_names(spec.model)]:
            problem = f"counts the weights of Linear layers and convolutions alone, and {named[0]} is pruned too"
            raise SettingError("arms", needed["small_network"], f"{problem}: leave out the arm, or pruning.include")
        others = weights_of(spec.model, full_mask) - sum(layer.size for layer in layers)
        for count in counts:
            narrowed(spec.model, others + count)


def each_level(arms: Sequence[str], draws: int) -> int:
    """How many trainings the controls among `arms` take at a level."""
    return sum(draws if one.draws else 1 for one in requested(arms) if one.name != "ticket")


def outcomes(
    levels: Iterable[Level],
    arms: Sequence[str],
    fit: Fit,
    context: Context,
    arm_levels: Sequence[int] | None = None,
    draws: int = 1,
) -> Iterator[Outcome]:
    """The ticket of each level, then its controls at `arm_levels` (None: all from 1), each drawn `draws` times."""
    controls = [one for one in requested(arms) if one.name != "ticket"]
    for level in levels:
        warn_if_diverged(level, "ticket", level.result)
        yield Outcome(level, "ticket", 0, level.ticket_spec, level.result)
        if level.index == 0 or (arm_levels is not None and level.index not in arm_levels):
            continue
        for control in controls:
            for draw in range(draws if control.draws else 1):
                spec = replace(control(level, replace(context, draw=draw)), arm=control.name)
                result = fit(spec)
                warn_if_diverged(level, control.name, result)
                yield Outcome(level, control.name, draw, spec, result)


def warn_if_diverged(level: Level, arm: str, result: RunResult) -> None:
    """Logs a warning where a training diverged."""
    if result.status == "diverged":
        log.warning("level %d, %s diverged: %s", level.index, arm, result.message)
