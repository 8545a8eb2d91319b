"""Straight lines between networks, evaluated at fixed places and remembered with the run that they start from."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from lth.analysis.connectivity import interpolate
from lth.analysis.line import line
from lth.core.tables import Row
from lth.core.weights import Mask, State
from lth.data.tensors import Data
from lth.training.gradient import examples
from lth.training.run_spec import Progress

Scores = Mapping[str, Sequence[Sequence[float | None]]]
"""Split -> (loss, accuracy 0..1 or None where the task has none) at each place on the line."""

Remember = Callable[[str, Callable[[], Any]], Any]
"""Takes a key and a computation; returns the value kept under the key with the run, else computes and keeps it.

The value comes back as JSON gives it: tuples as lists, keys of dicts as text.
"""

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Lines:
    """Straight lines between networks, evaluated on train and test.

    examples: evaluate on this many fixed examples of each split; None for all. alphas: the places on the line.
    recalculate: whether BatchNorm's statistics are recomputed there; else they are interpolated.
    """

    data: Data
    examples: int | None = None
    alphas: tuple[float, ...] = line()
    recalculate: bool = True

    def scores(
        self,
        model: nn.Module,
        ends: tuple[State, State],
        name: str,
        remember: Remember,
        mask: Mask | None = None,
        progress: Progress | None = None,
    ) -> Scores:
        """What `interpolate` measures between `ends` under `mask`, at the places of `alphas`.

        name: `from X to Y`, a part of the key that the scores are remembered under; it must tell these ends from all
        others of the run.
        """
        start, end = ends

        def compute() -> Scores:
            chosen = self._chosen()
            path = interpolate(model, start, end, chosen, mask, self.alphas, SPLITS, progress, self.recalculate)
            scores = path.scores
            return {split: [(score.loss, score.metrics.get("accuracy")) for score in scores[split]] for split in SPLITS}

        key = f"interpolation {name} alphas={list(self.alphas)} splits={list(SPLITS)}"
        key += f" examples={self.examples}" if self.examples else ""
        key += "" if self.recalculate else " batch_norm=interpolated"
        scores: Scores = remember(key, compute)
        return scores

    def _chosen(self) -> Data:
        if self.examples is None:
            return self.data
        train, test = (examples(split, self.examples) for split in (self.data.train, self.data.test))
        return replace(self.data, train=train, test=test)


def line_rows(scores: Scores, alphas: Sequence[float] = line()) -> Iterator[Row]:
    """A row for each split and place: `split`, `alpha`, `loss` (nats) and `accuracy` (0..1)."""
    for split in SPLITS:  # remembered scores come back in another order
        for alpha, (loss, accuracy) in zip(alphas, scores[split], strict=True):
            yield {"split": split, "alpha": alpha, "loss": loss, "accuracy": accuracy}
