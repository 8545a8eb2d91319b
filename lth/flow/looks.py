"""What Evci et al. 2022 look at in the trained networks, as rows of tables; what takes long is kept with the runs."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cache, partial

from torch import Tensor

from lth.analysis.agreement import agreement, disagreement, logits_of, spread, symmetric_kl
from lth.analysis.connectivity import line
from lth.analysis.geometry import distances, embed, l2_distance
from lth.core.weights import State
from lth.data.tensors import Data
from lth.flow.propagation import SPARSITIES, signal_rows
from lth.flow.runs import INITS, Compared
from lth.flow.solution import Lines, Row, Watch, after, distances_of, line_rows, unwatched
from lth.lottery.arms import Outcome
from lth.lottery.context import Initialize
from lth.store.runs import Store
from lth.training.run_spec import Progress

TABLE = [
    "init",
    "seeds",
    "test_accuracy",
    "test_accuracy_std",
    "ensemble_accuracy",
    "disagreement",
    "disagreement_with_pruned",
    "distance_to_pruned",
]
AGREEMENT = ["init", "draw", "disagreement", "kl", "disagreement_with_pruned", "kl_with_pruned"]
LINES = ["init", "draw", "at", "split", "alpha", "loss", "accuracy"]
MAP = ["point", "draw", "x", "y", "stress"]
DISTANCES = ["arm", "draw", "to", "l2", "cosine"]
UPDATES = ["arm", "iteration", "before", "after"]


class Looks:
    """The looks at what was `compared` on `data`: pure, and kept in `store` with the runs where they take long.

    line_examples: so many fixed examples of train and of test are enough for `lines`; None takes all.
    """

    def __init__(self, compared: Compared, data: Data, store: Store, line_examples: int | None = None) -> None:
        self.compared, self.data, self.store = compared, data, store
        self.seen_lines = Lines(data, store, line_examples)
        self.model = compared.level.spec.model.to(data.train.labels.device)  # no training moved it where all was found

    def table(self) -> list[Row]:
        """The paper's table: accuracies, disagreements (both 0..1) and L2 distances, a row a way to begin.

        The standard deviation is the sample's, over runs; disagreement is the mean over pairs of runs. The distance is
        the mean one between a run's final weights, pruned ones as zeros, and those of the pruned solution.
        """
        return [self._row(init, found) for init, arm in INITS.items() if (found := self.compared.done(arm))]

    def agreement(self) -> list[Row]:
        """How each run agrees on test with the others of its row (means over them), and with the pruned solution.

        Disagreements 0..1, and the symmetric KL divergence of the probabilities in nats.
        """
        return [
            {"init": init, "draw": outcome.draw, **seen}
            for init, arm in INITS.items()
            if (found := self.compared.done(arm))
            for outcome, seen in zip(found, self._seen_together(found)["runs"], strict=True)
        ]

    def _seen_together(self, outcomes: Sequence[Outcome]) -> Row:
        """What is seen of the runs of one row at once, since logits take long."""
        solution = self.compared.solution
        names = [outcome.result.run for outcome in outcomes]
        finals = [outcome.result.final for outcome in outcomes]

        def compute() -> Row:
            logits, reference = [self._logits(state) for state in finals], self._reference()
            found = agreement(logits, self.data.test.labels, reference)
            away = spread([l2_distance(self.model, state, solution.final) for state in finals])
            runs = [_with_others(number, logits, reference) for number in range(len(logits))]
            return {"agreement": asdict(found), "distance": asdict(away), "runs": runs}

        key = f"agreement on test of {' '.join(names)} with {solution.run}, by run"
        seen: Row = self.store.probed(names[0] if all(names) else "", key, compute)
        return seen

    def _row(self, init: str, outcomes: Sequence[Outcome]) -> Row:
        seen, several = self._seen_together(outcomes), len(outcomes) > 1
        found = seen["agreement"]
        return {
            "init": init,
            "seeds": len(outcomes),
            "test_accuracy": found["accuracy"]["mean"],
            "test_accuracy_std": found["accuracy"]["std"],
            "ensemble_accuracy": found["ensemble"] if several else None,
            "disagreement": found["disagreement"]["mean"] if several else None,
            "disagreement_with_pruned": found["with_reference"]["mean"],
            "distance_to_pruned": seen["distance"]["mean"],
        }

    def _logits(self, state: State) -> Tensor:
        return logits_of(self.model, state, self.data.test)

    @cache  # noqa: B019  one object a spec
    def _reference(self) -> Tensor:
        return self._logits(self.compared.solution.final)

    def distances(self) -> list[Row]:
        """How far each run's final weights lie from its own initial ones, and from the pruned solution; pruned: zeros.

        L2 in units of the weights, and one less the cosine. A network of another shape has only the first.
        """
        return [
            {"arm": arm, "draw": outcome.draw, "to": to, **far}
            for arm in self.compared.outcomes
            for outcome in self.compared.done(arm)
            for to, far in distances_of(outcome, self.compared.solution.final).items()
        ]

    def lines(self, watch: Watch = unwatched) -> list[Row]:
        """Loss (nats) and accuracy on the straight line from start and end of lottery and scratch to the pruned one.

        Of the end of each run and the start that all of a row share, both ends under the mask, on train and test, alpha
        from -0.2 to 1.2.
        """
        begun = [
            (init, at, outcome)
            for init in ("lottery", "scratch")
            for number, outcome in enumerate(self.compared.done(INITS[init]))
            for at in ("start", "end")
            if at == "end" or number == 0
        ]
        progress, rows = watch("lines", len(line()) * len(begun)), list[Row]()
        for number, (init, at, outcome) in enumerate(begun):
            own = partial(after, progress, len(line()) * number)
            rows += [{"init": init, "draw": outcome.draw, "at": at, **row} for row in self._line(at, outcome, own)]
        return rows

    def _line(self, at: str, outcome: Outcome, progress: Progress) -> Iterator[Row]:
        solution, run = self.compared.solution, outcome.result.run
        ends = (outcome.spec.initial_state if at == "start" else outcome.result.final, solution.final)
        words = f"from {at} to {solution.run}"
        return line_rows(self.seen_lines.scores(self.model, ends, run, words, self.compared.mask, progress))

    def map(self) -> list[Row]:
        """Start and end points of lottery and scratch and the pruned solution, in the plane (weights kept alone)."""
        points: list[tuple[str, int, State]] = [("pruned_end", 0, self.compared.solution.final)]
        for init in ("lottery", "scratch"):
            outcomes = self.compared.done(INITS[init])
            points += [(f"{init}_start", 0, outcome.spec.initial_state) for outcome in outcomes[:1]]
            points += [(f"{init}_end", outcome.draw, outcome.result.final) for outcome in outcomes]
        found = embed(distances(self.model, [state for _, _, state in points], self.compared.mask))
        return [
            {"point": point, "draw": draw, "x": float(x), "y": float(y), "stress": found.stress}
            for (point, draw, _), (x, y) in zip(points, found.points, strict=True)
        ]

    def signal(self, fresh: Initialize, draws: int) -> list[Row]:
        """`signal_rows` of the network, the draws under the seed of its initialisation."""
        seed, run = self.compared.level.spec.seeds.init, self.compared.solution.run
        key = f"signal seed={seed} draws={draws} sparsities={list(SPARSITIES)}"
        rows: list[Row] = self.store.probed(run, key, lambda: signal_rows(self.model, fresh, self.data, seed, draws))
        return rows

    def updates(self) -> list[Row]:
        """The gradient norm right before and after each change of a mask, where it was looked at."""
        return [
            {"arm": arm, "iteration": iteration, "before": seen["before/total"], "after": seen["total"]}
            for arm in self.compared.outcomes
            for outcome in self.compared.outcomes[arm][:1]
            for observed in outcome.result.observed.values()
            for iteration, seen in observed
            if "before/total" in seen
        ]


def _with_others(number: int, logits: Sequence[Tensor], reference: Tensor) -> Row:
    """How network `number` agrees with the others, None where there are none, and with the reference."""
    own, others = logits[number], [*logits[:number], *logits[number + 1 :]]
    measures = {"disagreement": disagreement, "kl": symmetric_kl}
    seen: Row = {
        name: spread([measure(own, other) for other in others]).mean if others else None
        for name, measure in measures.items()
    }
    return seen | {f"{name}_with_pruned": measure(own, reference) for name, measure in measures.items()}
