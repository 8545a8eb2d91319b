"""Dynamic sparse training: masks that change in training and keep their counts. Imports torch only to change them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import cos, pi
from typing import TYPE_CHECKING, Any, ClassVar, Self

from lth.core.checked import check
from lth.core.durations import Iterations, iterations_of
from lth.core.errors import LotteryError, SettingError
from lth.core.setting import setting

if TYPE_CHECKING:
    from torch import Tensor

    from lth.core.weights import Mask
    from lth.pruning.updates import UpdateContext

ANNEALS = ("cosine", "learning_rate")


@dataclass
class Rewiring:
    """How dynamic sparse training changes a mask: layers drop their smallest weights and grow as many others.

    After every `every`-th step, up to `stop` but never after the last step of the schedule: what grew then would not be
    trained. `drop` is the share of a layer's weights that an update replaces at first. With `anneal=cosine` it falls as
    half a cosine of the iteration to zero at `stop` (Evci et al. 2020, eq. 1), by default three quarters of the
    training as there. With `learning_rate` it is `drop` times the learning rate over the recipe's, up to the end by
    default: the code of Evci et al. 2022. As in that code, whatever is not active after the drop may grow, so a weight
    that was just dropped may stay: then it keeps its value and momentum. A new one starts at zero with fresh momentum.
    """

    drop: float = setting(0.3, "share of a layer's weights replaced at once, at first", above=0, below=1)
    every: Iterations = setting(100, "time between updates of the mask", low=1)
    stop: Iterations | None = setting(None, "last update; null: three quarters (cosine), the end", low=1)
    anneal: str = setting(
        "cosine",
        "how the share falls: cosine (to stop), learning_rate",
        options=ANNEALS,
        unhashed_at_default="replicate",
        implied=("learning_rate",),
    )
    draws: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.anneal not in ANNEALS:
            raise SettingError("rewiring.anneal", self.anneal, f"must be one of {', '.join(ANNEALS)}")

    def in_iterations(self, per_epoch: int) -> Self:
        """The same with its durations in iterations; per_epoch: iterations of an epoch. SettingError for a bad one."""
        stop = None if self.stop is None else iterations_of(self.stop, per_epoch, "rewiring.stop")
        return replace(self, every=iterations_of(self.every, per_epoch, "rewiring.every"), stop=stop)

    def fingerprint(self) -> dict[str, Any]:
        """What of it goes into the fingerprint of a training; those of before there was `anneal` have none."""
        values = {"kind": type(self).__name__, **asdict(self)}
        if self.anneal == "learning_rate":
            del values["anneal"]
        return values

    def end(self, total: int) -> int:
        """`stop`, or its default for a training that ends at `total`."""
        if self.stop is not None:
            return self.stop
        return total * 3 // 4 if self.anneal == "cosine" else total

    def last(self, total: int) -> int:
        """The last iteration that the mask may change after, in a training that ends at `total`."""
        return min(self.end(total) - (self.anneal == "cosine"), total - 1)  # the cosine is zero at its end

    def until(self, total: int) -> Self:
        """The same for a training that ends at `total`, with `stop` as a number where the cosine needs it."""
        return replace(self, stop=self.end(total)) if self.anneal == "cosine" else self

    def check(self, mask: "Mapping[str, Tensor]", start: int, total: int) -> None:
        """Raises an error where it would change nothing between `start` and `total`, or outlasts the schedule."""
        self.check_times(start, total)
        if not mask:
            raise LotteryError("rewiring: the mask names no layer; lth.pruning.mask.dense gives one that names all")
        if all(bool(kept.all()) for kept in mask.values()):
            raise LotteryError("rewiring: the mask has no pruned weight, so that none could grow")

    def check_times(self, start: int, total: int) -> None:
        """The part of `check` that needs no mask."""
        check(self, "rewiring.")
        if self.stop is not None and self.stop > total:
            raise SettingError("rewiring.stop", self.stop, f"is past the end of a training of {total} iterations")
        first = (start // self.every + 1) * self.every
        last = self.last(total)
        if first > last:
            problem = f"the mask would never change: its first update is after iteration {first}, the last is {last}"
            raise SettingError("rewiring.every", self.every, problem)

    def due(self, iteration: int) -> bool:
        """Whether the mask changes after `iteration` steps."""
        return iteration % self.every == 0 and (self.stop is None or iteration <= self.last(self.stop + 1))

    def mask(self, context: "UpdateContext") -> "Mask":
        """The mask after the update: as many weights in each layer as before."""
        from lth.pruning.select import highest

        share = self.share(context)
        if not share:
            return context.mask
        scores = self.growth(context)
        if not (context.finite and all(bool(score.isfinite().all()) for score in scores.values())):
            return context.mask  # the next evaluation ends the training
        changed = {}
        for name, kept in context.mask.items():
            count = int(kept.sum())
            dropped = round(share * count)
            stays = highest(context.weights[name].abs(), kept, count - dropped)
            changed[name] = stays | highest(scores[name], ~stays, dropped)
        return changed

    def share(self, context: "UpdateContext") -> float:
        """The share of a layer's weights that the update replaces, 0..1."""
        if self.anneal == "learning_rate":
            return self.drop * context.rate
        done = min(1.0, context.iteration / self.end(context.total))
        return self.drop / 2 * (1 + cos(pi * done))

    def growth(self, context: "UpdateContext") -> "Mapping[str, Tensor]":
        """A score for each weight: of those that may grow, the highest do."""
        raise NotImplementedError


@dataclass
class Set(Rewiring):
    """Grows at random, drawn anew by iteration and layer (Mocanu et al. 2018; as in the code of Evci et al. 2022)."""

    draws: ClassVar[bool] = True

    def growth(self, context: "UpdateContext") -> "Mapping[str, Tensor]":
        """A uniform draw."""
        import torch

        from lth.core.rng import rng

        return {
            name: torch.rand(kept.shape, generator=rng(context.seed, "grow", context.iteration, name))
            for name, kept in context.mask.items()
        }


@dataclass
class RigL(Rewiring):
    """Grows where the gradient of the loss on `examples` training examples is largest (Evci et al. 2020, section 3)."""

    examples: int = 1_000

    def growth(self, context: "UpdateContext") -> "Mapping[str, Tensor]":
        """The magnitude of the dense gradient."""
        gradient = context.gradient(self.examples)
        return {name: gradient[name].abs() for name in context.mask}
