"""Gradual pruning to a rung of the level_counts: any shape and scope, in exact counts, in one training."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from lth.core.errors import LotteryError, SettingError
from lth.core.rng import rng
from lth.core.weights import Mask
from lth.pruning.scores import SCORES, Score
from lth.pruning.scores.inputs import ScoreInputs
from lth.pruning.select import Selection

if TYPE_CHECKING:
    from lth.pruning.updates import UpdateContext


@dataclass(frozen=True)
class GradualCounts:
    """After the steps `begin`, `begin` + `every`, ..., `end` fewer units stay, at last `keep` of each part.

    The counts fall as a cube (Zhu & Gupta 2017, eq. 1), from all to `keep`; for magnitudes, single weights and equal
    densities these are the masks of `GradualPruning`. What is pruned stays pruned. A random score is drawn once.
    """

    score: str
    selection: Selection
    keep: dict[str, int]
    begin: int
    end: int
    every: int

    @property
    def draws(self) -> bool:
        """Whether the seed of masks plays a part; a custom score may draw random numbers."""
        return self.score == "random" or self._score.custom

    @property
    def _score(self) -> Score:
        return SCORES.get(self.score, "pruning.score")

    def fingerprint(self) -> dict[str, Any]:
        """What of it goes into the fingerprint of a training, by the names that kept trainings know."""
        values = {"kind": "GradualLadder", **asdict(self)}
        values["selection"]["shape"] = values["selection"].pop("granularity")
        if self._score.custom:
            values["source"] = self._score.source
        return values

    def check(self, mask: Mapping[str, Tensor], start: int, total: int) -> None:
        """Raises SettingError where it does not fit into a schedule from `start` to `total`."""
        if self.every < 1:
            raise SettingError("pruning.gradual.every", self.every, "must be at least one iteration")
        if not start <= self.begin <= self.end:
            problem = f"must lie between the first iteration {start} and the end of the pruning {self.end}"
            raise SettingError("pruning.gradual.begin", self.begin, problem)
        if self.end >= total:
            problem = f"must lie before the end of a training of {total} iterations"
            raise SettingError("pruning.gradual.end", self.end, problem)
        if (self.end - self.begin) % self.every:
            problem = f"{self.begin} to {self.end} is no multiple of it: the last pruning would miss the density"
            raise SettingError("pruning.gradual.every", self.every, problem)
        if not mask:
            raise LotteryError("gradual: the mask names no layer; a whole one names them (lth.pruning.mask.dense)")

    def due(self, iteration: int) -> bool:
        """Whether the mask changes after `iteration` steps."""
        return self.begin <= iteration <= self.end and (iteration - self.begin) % self.every == 0

    def mask(self, context: "UpdateContext") -> Mask:
        """The mask from that context on; it keeps nothing that the mask before did not."""
        if not all(bool(weight.isfinite().all()) for weight in context.weights.values()):
            return context.mask  # the loss will tell
        done = (context.iteration - self.begin) / max(1, self.end - self.begin)
        rest = (1 - done) ** 3 if context.iteration < self.end else 0.0
        whole = self.selection.count({name: alive | True for name, alive in context.mask.items()})
        living = self.selection.count(context.mask)
        keep = {part: min(living[part], round(n + (whole[part] - n) * rest)) for part, n in self.keep.items()}
        weights = {name: context.weights[name] for name in context.mask}
        inputs = ScoreInputs(weights, context.mask, rng(context.seed, "score", 0))
        return self.selection.choose(self._score(inputs), context.mask, keep)
