"""What arms draw: initial weights, shuffled masks, masks that change in training; every draw by its address."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from torch import nn

from lth.core.errors import LotteryError
from lth.core.keeping import copied
from lth.core.rng import address, global_rng, rng
from lth.core.users import users_code
from lth.core.weights import Mask, State, clone, digest, load
from lth.core.wrappers import bare
from lth.data.arrays import kind_of
from lth.lottery.levels import Level
from lth.models.initialize import initialize
from lth.pruning.mask import shuffled
from lth.pruning.parameters import check_parameters
from lth.pruning.select import Selection
from lth.pruning.updates import Rewiring, RigL, Set
from lth.training.run_spec import RunSpec

Initialize = Callable[[int], State]
"""A new initial state by seed."""


@dataclass(frozen=True)
class FreshInit:
    """A new initial state by seed, of the network that `construct` builds.

    initializer: a name in `lth.models.initialize.INITIALIZERS`; `default` builds the network again under the seed, so
    that its weights are drawn as its own code does. plus: the initialiser that scales a draw to a mask.
    """

    construct: Callable[[], nn.Module]
    initializer: str
    plus: str = "sparsity_aware"

    def __call__(self, seed: int) -> State:
        return self.state_of(self.constructed(seed), seed)

    def state_of(self, model: nn.Module, seed: int) -> State:
        """The initial state of `model`, which was built under `seed`."""
        if self.initializer == "default":
            return clone(model.state_dict())
        return initialize(model, self.initializer, seed, built=True)

    def constructed(self, seed: int) -> nn.Module:
        """The network, built under `seed`."""
        with global_rng(seed, "build"):
            return self.construct()


def network_of(built: Any, what: str) -> nn.Module:
    """The network that a user's function has built, without what wraps it; LotteryError naming `what` for all else."""
    if isinstance(built, type):
        raise LotteryError(f"{what} gives the class {built.__name__}, and no network: call it, as {built.__name__}()")
    if not isinstance(built, nn.Module):
        kind = "None" if built is None else type(built).__name__
        raise LotteryError(f"{what} does not give a torch.nn.Module, but {kind}")
    return bare(built)


def check_apart(first: nn.Module, second: nn.Module) -> None:
    """Raises LotteryError where two networks that one function has built share a parameter: training changes it."""
    names = {id(parameter): name for name, parameter in second.named_parameters()}
    for name, parameter in first.named_parameters():
        if id(parameter) in names:
            problem = "build all of it anew, or from copy.deepcopy, so that no training starts from another's weights"
            raise LotteryError(f"the function that builds the network gives the same {name} each time: {problem}")


def unequal(first: State, second: State) -> str:
    """The name of the first tensor that differs between two states, or is in one alone; empty where none does."""
    if alone := first.keys() ^ second.keys():
        return min(alone)
    return next((name for name, tensor in first.items() if digest({"": tensor}) != digest({"": second[name]})), "")


@dataclass(frozen=True)
class Context:
    """What an arm can draw from, and how masks change in training.

    initialize: gives a new initial state by seed; scaled: one that is scaled to the inputs that a mask leaves each
    unit; small: one of another, narrower network. None: there is none, and an arm that needs it is an error before
    anything is trained. draw: the number of the repeat; selection: the units that masks are shuffled in (None: single
    weights); arm: the name of the arm that draws; finetune_lr: the rate that `finetune` holds (None: as `Plan.held`
    says). Everything is drawn by its address: (seed, arm, level, draw).
    """

    initialize: Initialize
    scaled: Callable[[int, Mask], State] | None = None
    small: Callable[[nn.Module, int], State] | None = None
    rewiring: Rewiring = field(default_factory=Rewiring)
    draw: int = 0
    selection: Selection | None = None
    arm: str = ""
    finetune_lr: float | None = None

    def weights(self, level: Level) -> State:
        """A new draw of the initialiser."""
        return self.initialize(self.seed(level))

    def weights_plus(self, level: Level) -> State:
        """A new draw of the initialiser, scaled to the inputs that the level's mask leaves each unit."""
        assert self.scaled is not None, f"the arm {self.arm} needs scaled_weights"
        return self.scaled(self.seed(level), level.spec.mask)

    def mask(self, level: Level) -> Mask:
        """The level's mask, shuffled within each layer in units of its granularity."""
        generator = rng(level.spec.seeds.mask, self.arm, level.index, self.draw)
        return (self.selection.shuffled if self.selection else shuffled)(level.spec.mask, generator)

    def seed(self, level: Level) -> int:
        """The seed of a new draw of weights."""
        return address(level.spec.seeds.init, self.arm, level.index, self.draw)

    def rewired(self, level: Level, state: State, kind: type[Set | RigL]) -> RunSpec:
        """The level's training from `state` with a mask that changes by `kind`, with random draws of its own."""
        rewiring = self.rewiring.until(level.spec.plan.total)
        seeds = replace(level.spec.seeds, mask=address(level.spec.seeds.mask, self.arm, level.index, self.draw))
        update = kind(rewiring.drop, rewiring.every, rewiring.stop, rewiring.anneal)
        return replace(level.spec, initial_state=state, update=update, seeds=seeds)


def context_of(model: nn.Module, initial_state: State, fresh: Initialize, rewiring: Rewiring) -> Context:
    """What arms on `model` can draw: by `fresh`, and by its initialiser scaled to a mask or for a narrower network."""
    initializer, plus = (
        (fresh.initializer, fresh.plus) if isinstance(fresh, FreshInit) else ("default", "sparsity_aware")
    )

    def small(narrow: nn.Module, seed: int) -> State:
        return initialize(narrow, initializer, seed)

    return Context(fresh, scaled_by(model, initial_state, plus, fresh), small, rewiring)


def scaled_by(
    model: nn.Module, initial_state: State, initializer: str, fresh: Initialize | None = None
) -> Callable[[int, Mask], State]:
    """What draws an initial state of `model` by seed, scaled to a mask by an initialiser of `INITIALIZERS`.

    fresh: where it builds the network anew, so is what has no `reset_parameters` drawn.
    """
    template = copied(model)  # training changes the model
    load(template, initial_state)

    def scaled(seed: int, mask: Mask) -> State:
        if isinstance(fresh, FreshInit):
            return initialize(fresh.constructed(seed), initializer, seed, mask, built=True)
        return initialize(template, initializer, seed, mask)

    return scaled


def initialised(model: nn.Module | Callable[[], nn.Module], seed: int) -> tuple[nn.Module, Initialize]:
    """A network to train, which is not the given one, and what draws new weights for it by seed.

    model: a network, or a user's function that builds one, which is called under `seed`.
    """
    if isinstance(model, nn.Module):
        network = bare(model)
        check_parameters(network)
        template = copied(network)  # training changes the network
        return copied(network), lambda seed: initialize(template, "default", seed)
    fresh = FreshInit(partial(built, model), "default")
    return fresh.constructed(seed), fresh


def built(function: Callable[[], nn.Module]) -> nn.Module:
    """The network that the user's function builds; LotteryError where it is none, or builds none."""
    name = getattr(function, "__name__", type(function).__name__)
    if not callable(function):
        raise LotteryError(f"model is {kind_of(function)}: give a torch.nn.Module, or a function that builds one")
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        problem = f"cannot be called without arguments ({error}): give a network, or lambda: {name}(...)"
        raise LotteryError(f"model={name} {problem}") from error
    except ValueError:  # a function without a signature
        pass
    with users_code(f"model={name}"):
        return network_of(function(), f"model={name}")
