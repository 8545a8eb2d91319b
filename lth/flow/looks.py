"""What Evci et al. 2022 look at in the trained networks, as rows of tables; what takes long is kept with the runs."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache

import torch
from torch import Tensor, nn

from lth.core.rng import address, rng
from lth.core.weights import Mask, State
from lth.data.tensors import Data
from lth.flow.runs import INITS, Compared
from lth.flow.solution import Lines, Row, distances_of, line_rows
from lth.models.initialize import initialize
from lth.probes.agreement import agreement, logits_of, spread
from lth.probes.geometry import distances, embed, l2_distance
from lth.probes.signal import noise, signal
from lth.pruning.mask import Layer, prunable, shuffled
from lth.store.runs import Store
from lth.tickets.arms import Outcome
from lth.tickets.context import Initialize

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
LINES = ["init", "at", "split", "alpha", "loss", "accuracy"]
SIGNAL = ["init", "sparsity", "draw", "std"]
MAP = ["point", "draw", "x", "y", "stress"]
DISTANCES = ["arm", "draw", "to", "l2", "cosine"]
UPDATES = ["arm", "iteration", "before", "after"]

SPARSITIES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99)
"""Where the signal is looked at; masks are drawn at random, each layer at the same sparsity."""


class Looks:
    """The looks at what was `compared` on `data`: pure, and kept in `store` with the runs where they take long.

    line_examples: so many fixed examples of train and of test are enough for `lines`; None takes all.
    """

    def __init__(self, compared: Compared, data: Data, store: Store, line_examples: int | None = None) -> None:
        self.compared, self.data, self.store = compared, data, store
        self.seen_lines = Lines(data, store, line_examples)
        self.model = compared.level.job.model.to(data.train.labels.device)  # no training moved it where all was found

    def table(self) -> list[Row]:
        """The paper's table: accuracies, disagreements (both 0..1) and L2 distances, a row a way to begin.

        The standard deviation is the sample's, over runs; disagreement is the mean over pairs of runs. The distance is
        the mean one between a run's final weights, pruned ones as zeros, and those of the pruned solution.
        """
        return [self._row(init, found) for init, arm in INITS.items() if (found := self.compared.done(arm))]

    def _row(self, init: str, outcomes: Sequence[Outcome]) -> Row:
        solution = self.compared.solution
        names = [outcome.trace.run for outcome in outcomes]
        finals = [outcome.trace.final for outcome in outcomes]

        def compute() -> Row:
            found = agreement([self._logits(state) for state in finals], self.data.test.labels, self._reference())
            away = spread([l2_distance(self.model, state, solution.final) for state in finals])
            return {"agreement": asdict(found), "distance": asdict(away)}

        key = f"agreement on test of {' '.join(names)} with {solution.run}"
        seen = self.store.probed(names[0] if all(names) else "", key, compute)
        found, several = seen["agreement"], len(finals) > 1
        return {
            "init": init,
            "seeds": len(finals),
            "test_accuracy": found["accuracy"]["mean"],
            "test_accuracy_std": found["accuracy"]["std"],
            "ensemble_accuracy": found["ensemble"] if several else None,
            "disagreement": found["disagreement"]["mean"] if several else None,
            "disagreement_with_pruned": found["with_reference"]["mean"],
            "distance_to_pruned": seen["distance"]["mean"],
        }

    def _logits(self, state: State) -> Tensor:
        return logits_of(self.model, state, self.data.test)

    @cache  # noqa: B019  one object a job
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

    def lines(self) -> list[Row]:
        """Loss (nats) and accuracy on the straight line from start and end of lottery and scratch to the pruned one.

        Of the first run of each, both ends under the mask, on train and test, alpha from -0.2 to 1.2.
        """
        return [
            row
            for init in ("lottery", "scratch")
            for outcome in self.compared.done(INITS[init])[:1]
            for at, state in (("start", outcome.job.start), ("end", outcome.trace.final))
            for row in self._line(init, at, outcome.trace.run, state)
        ]

    def _line(self, init: str, at: str, run: str, state: State) -> Iterator[Row]:
        solution = self.compared.solution
        words = f"from {at} to {solution.run}"
        scores = self.seen_lines.scores(self.model, (state, solution.final), run, words, self.compared.mask)
        return ({"init": init, "at": at, **row} for row in line_rows(scores))

    def map(self) -> list[Row]:
        """Start and end points of lottery and scratch and the pruned solution, in the plane (weights kept alone)."""
        points: list[tuple[str, int, State]] = [("pruned_end", 0, self.compared.solution.final)]
        for init in ("lottery", "scratch"):
            outcomes = self.compared.done(INITS[init])
            points += [(f"{init}_start", 0, outcome.job.start) for outcome in outcomes[:1]]
            points += [(f"{init}_end", outcome.draw, outcome.trace.final) for outcome in outcomes]
        found = embed(distances(self.model, [state for _, _, state in points], self.compared.mask))
        return [
            {"point": point, "draw": draw, "x": float(x), "y": float(y), "stress": found.stress}
            for (point, draw, _), (x, y) in zip(points, found.points, strict=True)
        ]

    def signal(self, fresh: Initialize, draws: int) -> list[Row]:
        """`signal_rows` of the network, the draws under the seed of its initialisation."""
        seed, run = self.compared.level.job.seeds.init, self.compared.solution.run
        key = f"signal seed={seed} draws={draws} sparsities={list(SPARSITIES)}"
        rows: list[Row] = self.store.probed(run, key, lambda: signal_rows(self.model, fresh, self.data, seed, draws))
        return rows

    def updates(self) -> list[Row]:
        """The gradient norm right before and after each change of a mask, where it was looked at."""
        return [
            {"arm": arm, "iteration": iteration, "before": seen["before/total"], "after": seen["total"]}
            for arm in self.compared.outcomes
            for outcome in self.compared.outcomes[arm][:1]
            for observed in outcome.trace.observed.values()
            for iteration, seen in observed
            if "before/total" in seen
        ]


def signal_rows(model: nn.Module, fresh: Initialize, data: Data, seed: int, draws: int) -> list[Row]:
    """The std of the logits at initialisation against sparsity, for N(0, 1) inputs, each draw with a mask of its own.

    init: `dense`, the network's own initialiser `fresh`; `layer_scaled`, the same over the root of each layer's density
    (Liu et al. 2019); `sparsity_aware`, N(0, 2 / the inputs that are left of each unit).
    """
    images = noise(data.shape).to(data.train.images.device)
    rows = []
    for sparsity in SPARSITIES:
        for draw in range(draws):
            mask = random_mask(prunable(model), 1 - sparsity, seed, draw)
            number = address(seed, "signal", draw)
            own = fresh(number)
            states = {
                "dense": own,
                "layer_scaled": layer_scaled(own, mask),
                "sparsity_aware": initialize(model, "sparsity_aware", number, mask),
            }
            for init, state in states.items():
                std = signal(model, state, images, mask).output
                rows.append({"init": init, "sparsity": sparsity, "draw": draw, "std": std})
    return rows


def layer_scaled(state: Mapping[str, Tensor], mask: Mask) -> State:
    """`state` with each masked layer over the root of its density (Liu et al. 2019, as compared by Evci et al.)."""
    scales = {name: math.sqrt(kept.float().mean().item()) for name, kept in mask.items()}
    return {name: tensor / scales[name] if name in scales else tensor for name, tensor in state.items()}


def random_mask(layers: Sequence[Layer], density: float, seed: int, draw: int) -> Mask:
    """A mask that keeps round(density x size) weights of each layer, at least one, at random places."""
    first = {
        layer.name: (torch.arange(layer.size) < max(1, round(density * layer.size))).reshape(layer.shape)
        for layer in layers
    }
    return shuffled(first, rng(seed, "signal mask", round(1e6 * density), draw))
