"""What Evci et al. 2022 measure of the trained networks, as rows of tables; slow results are kept with the runs."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import cached_property, partial

from torch import Tensor

from lth.analysis.agreement import agreement, disagreement, logits_of, spread, symmetric_kl
from lth.analysis.geometry import distances, distances_to, embed, l2_distance
from lth.analysis.line import line
from lth.analysis.lines import Lines, line_rows
from lth.analysis.monitor import Monitor, shifted, unmonitored
from lth.analysis.peers import same_shapes
from lth.core.tables import Row
from lth.core.weights import State, digest, masked
from lth.data.tensors import Data
from lth.lottery.arms import Outcome
from lth.lottery.context import Initialize
from lth.store.runs import Store
from lth.training.run_spec import Progress

from .arms import INITS
from .propagation import AWARE, SPARSITIES, signal_rows
from .trainings import TrainedPlan

ON_LINES = ("lottery", "scratch")
"""The rows whose runs are joined to the pruned solution by lines, and laid out on the map."""


class GradientFlowAnalyses:
    """The analyses of the `trained` networks on `data`, each the rows of a table.

    line_examples: evaluate lines on this many fixed examples of each split; None for all.
    """

    def __init__(self, trained: TrainedPlan, data: Data, store: Store, line_examples: int | None = None) -> None:
        self.trained, self.data, self.store = trained, data, store
        self._lines = Lines(data, line_examples)
        self.model = trained.level.spec.model.to(data.train.labels.device)  # runs from the store were not moved there

    def table(self) -> list[Row]:
        """The paper's table: a row for each kind of initial weights.

        Accuracies and disagreements are 0..1; the standard deviation is the sample's over runs, disagreement the mean
        over pairs of runs, and the distance that of the final weights, pruned ones at zero, from the pruned solution's.
        Runs that failed are in no mean.
        """
        return [
            self._row(init, runs) | {"failed": self.trained.failed(arm)}
            for init, arm in INITS.items()
            if (runs := self.trained.done(arm))
        ]

    def agreement(self) -> list[Row]:
        """How each run agrees on test with the others of its row (means over them), and with the pruned solution.

        Disagreements are 0..1, the symmetric KL divergences of the probabilities in nats.
        """
        return [
            {"init": init, "draw": outcome.draw, **values}
            for init, arm in INITS.items()
            if (runs := self.trained.done(arm))
            for outcome, values in zip(runs, self._together(runs)["runs"], strict=True)
        ]

    def _together(self, runs: Sequence[Outcome]) -> Row:
        """Everything that is measured of the runs of one row; together, since logits take long."""
        solution = self.trained.solution
        names = [outcome.result.run for outcome in runs]
        finals = [outcome.result.final for outcome in runs]

        def compute() -> Row:
            logits = [self._logits(state) for state in finals]
            row = agreement(logits, self.data.test.labels, self._reference)
            distance = spread([l2_distance(self.model, state, solution.final) for state in finals])
            by_run = [_with_others(number, logits, self._reference) for number in range(len(logits))]
            return {"agreement": asdict(row), "distance": asdict(distance), "runs": by_run}

        key = f"agreement on test of {' '.join(names)} with {solution.run}, by run"
        values: Row = self.store.probed(names[0] if all(names) else "", key, compute)
        return values

    def _row(self, init: str, runs: Sequence[Outcome]) -> Row:
        values, several = self._together(runs), len(runs) > 1
        agreement = values["agreement"]
        return {
            "init": init,
            "seeds": len(runs),
            "test_accuracy": agreement["accuracy"]["mean"],
            "test_accuracy_std": agreement["accuracy"]["std"],
            "ensemble_accuracy": agreement["ensemble"] if several else None,
            "disagreement": agreement["disagreement"]["mean"] if several else None,
            "disagreement_with_pruned": agreement["with_reference"]["mean"],
            "distance_to_pruned": values["distance"]["mean"],
        }

    def _logits(self, state: State) -> Tensor:
        return logits_of(self.model, state, self.data.test)

    @cached_property
    def _reference(self) -> Tensor:
        return self._logits(self.trained.solution.final)

    def distances(self) -> list[Row]:
        """The distance of each run's final weights from its initial ones and from the pruned solution; pruned: zeros.

        L2 in units of the weights, and 1 - the cosine. A network of other shapes has only the first.
        """
        rows: list[Row] = []
        for arm in self.trained.outcomes:
            for outcome in self.trained.done(arm):
                spec = outcome.spec
                ends = {"init": masked(spec.initial_state, spec.mask)}
                if same_shapes(outcome):
                    ends["pruned"] = self.trained.solution.final
                measures = distances_to(spec.model, outcome.result.final, ends)
                rows += [{"arm": arm, "draw": outcome.draw, "to": to, **values} for to, values in measures.items()]
        return rows

    def lines(self, monitor: Monitor = unmonitored) -> list[Row]:
        """Loss (nats) and accuracy on straight lines to the pruned solution, both ends under its mask.

        Of lottery and scratch, from each start that their runs have and from the end of each run, on train and test, at
        alpha from -0.2 to 1.2.
        """
        begins = [
            (init, at, outcome)
            for init in ON_LINES
            for at, outcomes in self._ends(init).items()
            for outcome in outcomes
        ]
        progress, rows = monitor("lines", len(line()) * len(begins)), list[Row]()
        for number, (init, at, outcome) in enumerate(begins):
            points = self._line(at, outcome, shifted(progress, len(line()) * number))
            rows += [{"init": init, "draw": outcome.draw, "at": at, **point} for point in points]
        return rows

    def _ends(self, init: str) -> dict[str, list[Outcome]]:
        """The runs of a row that did not fail: the first from each `start`, which runs may share; and every `end`."""
        runs = self.trained.done(INITS[init])
        starts = {digest(outcome.spec.initial_state): outcome for outcome in reversed(runs)}
        return {"start": list(reversed(starts.values())), "end": runs}

    def _line(self, at: str, outcome: Outcome, progress: Progress) -> Iterator[Row]:
        solution, remember = self.trained.solution, partial(self.store.probed, outcome.result.run)
        ends = (outcome.spec.initial_state if at == "start" else outcome.result.final, solution.final)
        name = f"from {at} to {solution.run}"
        return line_rows(self._lines.scores(self.model, ends, name, remember, self.trained.mask, progress))

    def map(self) -> list[Row]:
        """Start and end points of lottery and scratch and the pruned solution, in the plane, by the kept weights."""
        points: list[tuple[str, int, State]] = [("pruned_end", 0, self.trained.solution.final)]
        for init in ON_LINES:
            ends = self._ends(init)
            points += [(f"{init}_start", outcome.draw, outcome.spec.initial_state) for outcome in ends["start"]]
            points += [(f"{init}_end", outcome.draw, outcome.result.final) for outcome in ends["end"]]
        embedding = embed(distances(self.model, [state for _, _, state in points], self.trained.mask))
        return [
            {"point": point, "draw": draw, "x": float(x), "y": float(y), "stress": embedding.stress}
            for (point, draw, _), (x, y) in zip(points, embedding.points, strict=True)
        ]

    def signal(self, fresh: Initialize, draws: int) -> list[Row]:
        """`signal_rows` of the network, with draws addressed by the seed of its initialisation."""
        seed, run = self.trained.level.spec.seeds.init, self.trained.solution.run
        key = f"signal seed={seed} draws={draws} sparsities={list(SPARSITIES)} aware={list(AWARE)}"
        rows: list[Row] = self.store.probed(run, key, lambda: signal_rows(self.model, fresh, self.data, seed, draws))
        return rows

    def updates(self) -> list[Row]:
        """The gradient norm right before and after each change of a mask, in the first run of an arm."""
        return [
            {"arm": arm, "iteration": iteration, "before": norms["before/total"], "after": norms["total"]}
            for arm in self.trained.outcomes
            for outcome in self.trained.outcomes[arm][:1]
            for observed in outcome.result.observed.values()
            for iteration, norms in observed
            if "before/total" in norms
        ]


def _with_others(number: int, logits: Sequence[Tensor], reference: Tensor) -> Row:
    """How network `number` agrees with the others, None where there are none, and with the reference."""
    network, others = logits[number], [*logits[:number], *logits[number + 1 :]]
    measures = {"disagreement": disagreement, "kl": symmetric_kl}
    row: Row = {
        name: spread([measure(network, other) for other in others]).mean if others else None
        for name, measure in measures.items()
    }
    return row | {f"{name}_with_pruned": measure(network, reference) for name, measure in measures.items()}
