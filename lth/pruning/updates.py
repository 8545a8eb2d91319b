"""Masks that change during one training: when, and to which mask. Pure descriptions; the training loop applies them.

An update happens after a step: the step, the new mask, then whatever looks at that iteration. Its fields are part of a
training's question.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from lth.core.errors import LotteryError, SettingError
from lth.core.rng import rng
from lth.core.weights import Mask
from lth.pruning.gradual import GradualCounts
from lth.pruning.select import highest, layerwise


@dataclass(frozen=True)
class UpdateContext:
    """A network after `iteration` steps, as an update sees it; tensors by layer of the mask, on the CPU.

    weights: the pruned ones are zero. rate: the learning rate of the next step over the recipe's. seed: of what is
    drawn. gradient: from a number of fixed training examples, that of the pruned weights too.
    """

    iteration: int
    mask: Mask
    weights: Mapping[str, Tensor]
    rate: float
    seed: int
    gradient: Callable[[int], Mapping[str, Tensor]]


@dataclass(frozen=True)
class GradualPruning:
    """Gradual magnitude pruning (Zhu & Gupta 2017): after the steps `begin`, `begin` + `every`, ..., `end`.

    Each layer that the mask names keeps the same `density_at` of its weights, those largest in magnitude, in exact
    counts; what is pruned stays pruned. TensorFlow's PolynomialDecay, which Evci et al. 2022 use, differs in that equal
    magnitudes stay together, in that the mask is in force one step earlier, and in that it lets a weight return.
    """

    density: float
    begin: int
    end: int
    every: int = 100
    draws: ClassVar[bool] = False

    def fingerprint(self) -> dict[str, Any]:
        """What of it goes into the fingerprint of a training."""
        return {"kind": type(self).__name__, **asdict(self)}

    def density_at(self, iteration: int) -> float:
        """1 up to `begin`, then falling as a cube to `density` at `end` (eq. 1, which gives the sparsity)."""
        done = min(1.0, max(0.0, (iteration - self.begin) / max(1, self.end - self.begin)))
        return self.density + (1 - self.density) * (1 - done) ** 3 if iteration < self.end else self.density

    def check(self, mask: Mapping[str, Tensor], start: int, total: int) -> None:
        """Raises SettingError where it does not fit into a schedule from `start` to `total`, or empties a layer."""
        _check_names("gradual", mask)
        if not 0 < self.density < 1:
            raise SettingError("gradual.density", self.density, "must lie above 0 and below 1")
        if self.every < 1:
            raise SettingError("gradual.every", self.every, "must be at least one iteration")
        if not start <= self.begin <= self.end:
            problem = f"must lie between the first iteration {start} and gradual.end={self.end}"
            raise SettingError("gradual.begin", self.begin, problem)
        if self.end >= total:
            raise SettingError("gradual.end", self.end, f"must lie before the end of a training of {total} iterations")
        if (self.end - self.begin) % self.every:
            problem = f"{self.begin} to {self.end} is no multiple of it: the last pruning would miss the density"
            raise SettingError("gradual.every", self.every, problem)
        for name, alive in mask.items():
            if round(self.density * alive.numel()) == 0:
                problem = f"would prune {name} away (layer collapse): of its {alive.numel()} weights that is none"
                raise SettingError("gradual.density", self.density, problem)

    def due(self, iteration: int) -> bool:
        """Whether the mask changes after `iteration` steps."""
        return self.begin <= iteration <= self.end and (iteration - self.begin) % self.every == 0

    def mask(self, context: UpdateContext) -> Mask:
        """The mask from that context on; it keeps nothing that the mask before did not."""
        density = self.density_at(context.iteration)
        if density == 1 or not _finite(context.weights):
            return context.mask
        keep = {x: min(int(alive.sum()), round(density * alive.numel())) for x, alive in context.mask.items()}
        return layerwise({name: context.weights[name].abs() for name in context.mask}, context.mask, keep)


@dataclass(frozen=True)
class Rewiring:
    """Dynamic sparse training: a layer drops its smallest weights and grows as many, so that its count stays.

    After every `every`-th step, up to `stop` (None: always) but never after the schedule's last: what grew then would
    not be trained. `drop` is the share of a layer's weights at the recipe's learning rate; it follows the rate. As in
    the code of Evci et al. 2022, whatever is not active after the drop may grow, so a weight that was just dropped may
    stay: then it keeps its value and momentum. A new one starts at zero with fresh momentum.
    """

    drop: float = 0.3
    every: int = 100
    stop: int | None = None
    draws: ClassVar[bool] = False

    def fingerprint(self) -> dict[str, Any]:
        """What of it goes into the fingerprint of a training."""
        return {"kind": type(self).__name__, **asdict(self)}

    def check(self, mask: Mapping[str, Tensor], start: int, total: int) -> None:
        """Raises SettingError where it would change nothing between `start` and `total`, or outlasts the schedule."""
        self.check_times(start, total)
        _check_names("rewiring", mask)
        if all(bool(alive.all()) for alive in mask.values()):
            raise LotteryError("rewiring: the mask has no pruned weight, so that none could grow")

    def check_times(self, start: int, total: int) -> None:
        """The part of `check` that needs no mask."""
        if not 0 < self.drop < 1:
            raise SettingError("rewiring.drop", self.drop, "must lie above 0 and below 1")
        if self.every < 1:
            raise SettingError("rewiring.every", self.every, "must be at least one iteration")
        if self.stop is not None and self.stop > total:
            raise SettingError("rewiring.stop", self.stop, f"is past the end of a training of {total} iterations")
        first = (start // self.every + 1) * self.every
        last = total - 1 if self.stop is None else min(self.stop, total - 1)
        if first > last:
            problem = f"the mask would never change: its first turn is after iteration {first}, the last is {last}"
            raise SettingError("rewiring.every", self.every, problem)

    def due(self, iteration: int) -> bool:
        """Whether the mask changes after `iteration` steps."""
        return iteration % self.every == 0 and (self.stop is None or iteration <= self.stop)

    def mask(self, context: UpdateContext) -> Mask:
        """The mask from that context on: as many weights in each layer as before."""
        scores = self.growth(context)
        if not (_finite(context.weights) and _finite(scores)):
            return context.mask  # the loss will tell
        changed = {}
        for name, alive in context.mask.items():
            count = int(alive.sum())
            dropped = round(self.drop * context.rate * count)
            stays = highest(context.weights[name].abs(), alive, count - dropped)
            changed[name] = stays | highest(scores[name], ~stays, dropped)
        return changed

    def growth(self, context: UpdateContext) -> Mapping[str, Tensor]:
        """A score by weight: of those that may grow, the highest do."""
        raise NotImplementedError


@dataclass(frozen=True)
class Set(Rewiring):
    """Grows at random, drawn anew by iteration and layer (Mocanu et al. 2018; as in the code of Evci et al. 2022)."""

    draws: ClassVar[bool] = True

    def growth(self, context: UpdateContext) -> Mapping[str, Tensor]:
        """A uniform draw."""
        return {
            name: torch.rand(alive.shape, generator=rng(context.seed, "grow", context.iteration, name))
            for name, alive in context.mask.items()
        }


@dataclass(frozen=True)
class RigL(Rewiring):
    """Grows where the loss on `examples` fixed training examples pulls hardest (Evci et al. 2020, section 3)."""

    examples: int = 1_000

    def growth(self, context: UpdateContext) -> Mapping[str, Tensor]:
        """The magnitude of the dense gradient."""
        gradient = context.gradient(self.examples)
        return {name: gradient[name].abs() for name in context.mask}


MaskUpdate = GradualPruning | GradualCounts | Set | RigL


def _check_names(key: str, mask: Mapping[str, Tensor]) -> None:
    if not mask:
        raise LotteryError(f"{key}: the mask names no layer; a whole one names them (lth.pruning.mask.dense)")


def _finite(tensors: Mapping[str, Tensor]) -> bool:
    """Whether training still goes on: a diverged network keeps its mask, and its next evaluation ends it."""
    return all(bool(tensor.isfinite().all()) for tensor in tensors.values())
