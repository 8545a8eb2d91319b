"""What arms draw from: initialisers, shuffled masks, masks that change; every draw by its address."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from torch import nn

from lth.core.rng import address, global_rng, rng
from lth.core.weights import Mask, State, clone, load
from lth.lottery.levels import Level
from lth.models.initialize import initialize
from lth.pruning.mask import shuffled
from lth.pruning.select import Selection
from lth.pruning.updates import Rewiring, RigL, Set
from lth.training.run_spec import RunSpec

Initialize = Callable[[int], State]
"""A fresh initial state by seed."""


@dataclass(frozen=True)
class FreshInit:
    """A fresh initial state by seed, of the network that `construct` builds.

    With the initialiser `default` it is that of a network built anew, so that it keeps its own way to draw. `plus` is
    the initialiser that scales a draw to a mask.
    """

    construct: Callable[[], nn.Module]
    initializer: str
    plus: str = "sparsity_aware"

    def __call__(self, seed: int) -> State:
        model = self.constructed(seed)
        return clone(model.state_dict()) if self.initializer == "default" else initialize(model, self.initializer, seed)

    def constructed(self, seed: int) -> nn.Module:
        """The network as it is built under `seed`."""
        with global_rng(seed, "build"):
            return self.construct()


@dataclass(frozen=True)
class Context:
    """What an arm may draw from, and how masks change in training; `draw` numbers the repeats.

    initialize: gives a fresh initial state by seed; scaled: one that is scaled to what a mask leaves each unit; small:
    one of another network than the level's. An arm that needs what is None is an error when it is asked for.
    selection: in which units masks are shuffled; None for single weights.
    """

    initialize: Initialize
    scaled: Callable[[int, Mask], State] | None = None
    small: Callable[[nn.Module, int], State] | None = None
    rewiring: Rewiring = field(default_factory=Rewiring)
    draw: int = 0
    selection: Selection | None = None

    def weights(self, arm: str, level: Level) -> State:
        """A new draw of the initialiser, addressed by (seed, level, draw)."""
        return self.initialize(self.seed(arm, level))

    def weights_plus(self, arm: str, level: Level) -> State:
        """The same, scaled to the inputs that the level's mask leaves each unit."""
        assert self.scaled is not None, arm
        return self.scaled(self.seed(arm, level), level.spec.mask)

    def mask(self, arm: str, level: Level) -> Mask:
        """The level's mask, shuffled within each layer in its own shape, addressed by (seed, level, draw)."""
        generator = rng(level.spec.seeds.mask, arm, level.index, self.draw)
        return (self.selection.shuffled if self.selection else shuffled)(level.spec.mask, generator)

    def seed(self, arm: str, level: Level) -> int:
        """The address of a new draw of weights."""
        return address(level.spec.seeds.init, arm, level.index, self.draw)

    def rewired(self, arm: str, level: Level, start: State, kind: type[Set | RigL]) -> RunSpec:
        """The level's training from `start` with a mask that changes by `kind`, its own random draws by address."""
        how = self.rewiring
        seeds = replace(level.spec.seeds, mask=address(level.spec.seeds.mask, arm, level.index, self.draw))
        return replace(level.spec, initial_state=start, update=kind(how.drop, how.every, how.stop), seeds=seeds)


def context_of(model: nn.Module, start: State, fresh: Initialize, rewiring: Rewiring) -> Context:
    """What the arms on `model` draw from: `fresh`, and the same scaled to a mask or for a narrower network."""
    template = copy.deepcopy(model)  # training changes the model itself
    load(template, start)
    initializer, plus = (
        (fresh.initializer, fresh.plus) if isinstance(fresh, FreshInit) else ("default", "sparsity_aware")
    )

    def scaled(seed: int, mask: Mask) -> State:
        return initialize(template, plus, seed, mask)

    def small(narrow: nn.Module, seed: int) -> State:
        return initialize(narrow, initializer, seed)

    return Context(fresh, scaled, small, rewiring)
