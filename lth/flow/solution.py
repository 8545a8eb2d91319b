"""Where a trained network lies with regard to the pruned solution: how far from it, and what is on the line to it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from lth.analysis.connectivity import interpolate, line
from lth.analysis.geometry import cosine_distance, l2_distance
from lth.core.weights import Mask, State, masked
from lth.data.tensors import Data
from lth.lottery.arms import Outcome
from lth.store.runs import Store
from lth.training.gradient import examples
from lth.training.run_spec import Progress

Row = dict[str, Any]
Scores = Mapping[str, Sequence[Sequence[float]]]
"""Split -> (loss in nats, accuracy 0..1) at each of `line()`."""

SPLITS = ("train", "test")

Watch = Callable[[str, int], Progress]
"""Takes what is being looked at, and of how many steps that is; gives what to call with the number done."""


def unwatched(what: str, count: int) -> Progress:
    """Nobody waits."""
    return lambda done: None


def after(progress: Progress, before: int, done: int) -> None:
    """Tells `progress` of the number `done` of a part that has `before` in front of it."""
    progress(before + done)


def own_network(outcome: Outcome) -> bool:
    """Whether an arm trained a network of other shapes than its level's (`small_dense`)."""
    return outcome.spec.model is not outcome.level.spec.model


def distances_of(outcome: Outcome, solution: State | None) -> dict[str, dict[str, float]]:
    """How far the final weights lie from where they began (`init`) and from `solution` (`pruned`); pruned: zeros.

    `l2` in units of the weights and `cosine`, one less the cosine. A network of other shapes has only the first.
    """
    spec, final = outcome.spec, outcome.result.final
    ends: dict[str, State] = {"init": masked(spec.initial_state, spec.mask)}
    if solution is not None and not own_network(outcome):
        ends["pruned"] = solution
    return {
        to: {"l2": l2_distance(spec.model, final, state), "cosine": cosine_distance(spec.model, final, state)}
        for to, state in ends.items()
    }


@dataclass(frozen=True)
class Lines:
    """Straight lines from trained networks to a solution, seen on `data` and kept in `store` with the first one's run.

    examples: so many fixed ones of train and of test are enough; None takes all.
    """

    data: Data
    store: Store
    examples: int | None = None

    def scores(
        self,
        model: nn.Module,
        ends: tuple[State, State],
        run: str,
        words: str,
        mask: Mask | None = None,
        progress: Progress | None = None,
    ) -> Scores:
        """What `interpolate` finds on train and test between `ends` under `mask`, at the places of `line()`.

        words: `from X to Y`, which the answer is kept under; it must tell these ends from any other of `run`.
        """
        alphas = line()

        def compute() -> Scores:
            found = interpolate(model, *ends, self._seen(), mask, alphas, SPLITS, progress)
            return {split: [(score.loss, score.accuracy) for score in found.scores[split]] for split in SPLITS}

        key = f"interpolation {words} alphas={list(alphas)} splits={list(SPLITS)}"
        key += f" examples={self.examples}" if self.examples else ""
        scores: Scores = self.store.probed(run, key, compute)
        return scores

    def _seen(self) -> Data:
        if self.examples is None:
            return self.data
        train, test = (examples(split, self.examples) for split in (self.data.train, self.data.test))
        return replace(self.data, train=train, test=test)


def line_rows(scores: Scores) -> Iterator[Row]:
    """A row a split and place: `split`, `alpha`, `loss` and `accuracy`."""
    for split in SPLITS:  # what was kept comes back in another order
        for alpha, (loss, accuracy) in zip(line(), scores[split], strict=True):
            yield {"split": split, "alpha": alpha, "loss": loss, "accuracy": accuracy}
