"""Gradual pruning: masks that lose weights in training, step by step. Imports torch only to change them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from lth.core.checked import check
from lth.core.durations import Duration, Iterations, iterations_of
from lth.core.errors import LotteryError, SettingError
from lth.core.setting import setting

if TYPE_CHECKING:
    from torch import Tensor

    from lth.core.weights import Mask
    from lth.pruning.scores import Score
    from lth.pruning.select import Selection
    from lth.pruning.updates import UpdateContext


@dataclass
class GradualSchedule:
    """When `pruning.schedule=gradual` prunes: after the steps `begin`, `begin` + `every`, ..., `end`.

    None: from a quarter of the training on, up to the last pruning within three quarters of it.
    """

    begin: Duration | None = setting(None, "first pruning; null: a quarter of the training", low=0)
    end: Duration | None = setting(None, "last pruning; null: three quarters", low=0)
    every: Duration = setting(100, "schedule=gradual: time between prunings", low=1)

    def in_iterations(self, per_epoch: int, start: int, total: int) -> tuple[int, int, int]:
        """(begin, end, every) of a training from `start` to `total`; per_epoch: iterations of an epoch.

        Raises SettingError for a malformed duration.
        """
        check(self, "pruning.gradual.")
        every = iterations_of(self.every, per_epoch, "pruning.gradual.every")
        begin, last = start + (total - start) // 4, start + (total - start) * 3 // 4
        if self.begin is not None:
            begin = iterations_of(self.begin, per_epoch, "pruning.gradual.begin")
        end = begin + max(0, last - begin) // every * every
        if self.end is not None:
            end = iterations_of(self.end, per_epoch, "pruning.gradual.end")
        return begin, end, every


@dataclass
class GradualPruning:
    """Gradual magnitude pruning (Zhu & Gupta 2017): after the steps `begin`, `begin` + `every`, ..., `end`.

    Each layer that the mask names keeps the same `density_at` of its weights, those largest in magnitude, in exact
    counts; what is pruned stays pruned. TensorFlow's PolynomialDecay, which Evci et al. 2022 use, differs in that equal
    magnitudes stay together, in that the mask is in force one step earlier, and in that it lets a weight return.
    """

    density: float = setting(0.05, "share of each layer's weights left at the end", above=0, below=1)
    begin: Iterations = setting(400, "time of the first pruning", low=0)
    end: Iterations = setting(1000, "time of the last pruning", low=0)
    every: Iterations = setting(20, "time between prunings", low=1)
    draws: ClassVar[bool] = False

    def in_iterations(self, per_epoch: int) -> Self:
        """The same with its durations in iterations; per_epoch: iterations of an epoch. SettingError for a bad one."""
        values = {key: iterations_of(getattr(self, key), per_epoch, f"gradual.{key}") for key in _TIMES}
        return replace(self, **values)

    def fingerprint(self) -> dict[str, Any]:
        """What of it goes into the fingerprint of a training."""
        return {"kind": type(self).__name__, **asdict(self)}

    def density_at(self, iteration: int) -> float:
        """1 up to `begin`, then falling as a cube to `density` at `end` (eq. 1, which gives the sparsity)."""
        return self.density + (1 - self.density) * _cube(self, iteration)

    def check(self, mask: "Mapping[str, Tensor]", start: int, total: int) -> None:
        """Raises SettingError where it does not fit into a schedule from `start` to `total`, or empties a layer."""
        check(self, "gradual.")
        _check_times(self, "gradual", mask, start, total)
        for name, kept in mask.items():
            if round(self.density * kept.numel()) == 0:
                problem = f"would prune {name} away (layer collapse): of its {kept.numel()} weights that is none"
                raise SettingError("gradual.density", self.density, problem)

    def due(self, iteration: int) -> bool:
        """Whether the mask changes after `iteration` steps."""
        return _due(self, iteration)

    def mask(self, context: "UpdateContext") -> "Mask":
        """The mask after the pruning; it keeps nothing that the mask before did not."""
        from lth.pruning.select import layerwise

        density = self.density_at(context.iteration)
        if density == 1 or not context.finite:
            return context.mask
        keep = {name: min(int(kept.sum()), round(density * kept.numel())) for name, kept in context.mask.items()}
        return layerwise({name: context.weights[name].abs() for name in context.mask}, context.mask, keep)


@dataclass
class GradualCounts:
    """Gradual pruning to given counts, by any score, granularity and scope: at last `keep` units of each part stay.

    The counts fall as a cube, from all to `keep`; for magnitudes, single weights and equal densities these are the
    masks of `GradualPruning`. What is pruned stays pruned. A random score is drawn once.
    """

    score: str
    selection: "Selection"
    keep: dict[str, int]
    begin: int
    end: int
    every: int

    @property
    def draws(self) -> bool:
        """Whether the seed of masks plays a part; a custom score may draw random numbers."""
        return self.score == "random" or self._score.custom

    @property
    def _score(self) -> "Score":
        from lth.pruning.scores import SCORES

        return SCORES.get(self.score, "pruning.score")

    def fingerprint(self) -> dict[str, Any]:
        """What of it goes into the fingerprint of a training, by the names that kept trainings know."""
        values = {"kind": "GradualLadder", **asdict(self)}
        values["selection"]["shape"] = values["selection"].pop("granularity")
        if self._score.custom:
            values["source"] = self._score.source
        return values

    def check(self, mask: "Mapping[str, Tensor]", start: int, total: int) -> None:
        """Raises SettingError where it does not fit into a schedule from `start` to `total`."""
        _check_times(self, "pruning.gradual", mask, start, total)

    def due(self, iteration: int) -> bool:
        """Whether the mask changes after `iteration` steps."""
        return _due(self, iteration)

    def mask(self, context: "UpdateContext") -> "Mask":
        """The mask after the pruning; it keeps nothing that the mask before did not."""
        from lth.core.rng import rng
        from lth.pruning.scores.inputs import ScoreInputs

        if not context.finite:
            return context.mask  # the next evaluation ends the training
        rest = _cube(self, context.iteration)
        total = self.selection.count({name: kept | True for name, kept in context.mask.items()})
        left = self.selection.count(context.mask)
        keep = {part: min(left[part], round(n + (total[part] - n) * rest)) for part, n in self.keep.items()}
        weights = {name: context.weights[name] for name in context.mask}
        inputs = ScoreInputs(weights, context.mask, rng(context.seed, "score", 0))
        return self.selection.choose(self._score(inputs), context.mask, keep)


_TIMES = ("begin", "end", "every")


def _due(update: GradualPruning | GradualCounts, iteration: int) -> bool:
    return update.begin <= iteration <= update.end and (iteration - update.begin) % update.every == 0


def _cube(update: GradualPruning | GradualCounts, iteration: int) -> float:
    """What is left of the way from dense to the last counts after `iteration` steps: 1 to 0 (Zhu & Gupta, eq. 1)."""
    if iteration >= update.end:
        return 0.0
    done = min(1.0, max(0.0, (iteration - update.begin) / max(1, update.end - update.begin)))
    return (1 - done) ** 3


def _check_times(
    update: GradualPruning | GradualCounts, key: str, mask: "Mapping[str, Tensor]", start: int, total: int
) -> None:
    """Raises SettingError where `update` does not fit into a schedule from `start` to `total`."""
    if not mask:
        raise LotteryError(f"{key}: the mask names no layer; lth.pruning.mask.dense gives one that names all")
    if update.every < 1:
        raise SettingError(f"{key}.every", update.every, "must be at least one iteration")
    if not start <= update.begin <= update.end:
        problem = f"must lie between the first iteration {start} and {key}.end={update.end}"
        raise SettingError(f"{key}.begin", update.begin, problem)
    if update.end >= total:
        raise SettingError(f"{key}.end", update.end, f"must lie before the end of a training of {total} iterations")
    if (update.end - update.begin) % update.every:
        problem = f"{update.begin} to {update.end} is no multiple of it: the last pruning would miss the density"
        raise SettingError(f"{key}.every", update.every, problem)
