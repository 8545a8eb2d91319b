"""Looks at every level of `lth imp`: where its arms end in weight space, and how alike they are as functions.

All are compared with the pruned solution of the level: the trained weights that its mask was scored on, pruned by it
and not trained again. Evci et al. 2022 say that a ticket relearns it: it ends near, in its basin, with its predictions.
Networks are compared as they are, each under its own mask, pruned weights as zeros. So the points between an arm of
another mask (`shuffle`, `scratch`, `set`, `rigl`) and the solution have the weights of both masks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from lth.analysis.agreement import disagreement, ensemble_accuracy, holding, logits_of, symmetric_kl
from lth.analysis.connectivity import barrier, batch_norm_on, line
from lth.core.errors import SettingError
from lth.core.weights import State, clone, digest, masked
from lth.data.tensors import Data
from lth.flow.solution import Lines, Row, Scores, Watch, after, distances_of, line_rows, own_network
from lth.lottery.arms import Outcome
from lth.store.runs import Store
from lth.training.run_spec import Progress

METRICS: dict[str, tuple[str, ...]] = {
    "distance": (
        "distance_to_init",
        "cosine_distance_to_init",
        "distance_to_pruned",
        "cosine_distance_to_pruned",
    ),
    "interpolation": (
        "train_loss_barrier",
        "train_error_barrier",
        "test_loss_barrier",
        "test_error_barrier",
    ),
    "agreement": (
        "disagreement_with_pruned",
        "kl_with_pruned",
        "disagreement_with_ticket",
        "kl_with_ticket",
        "disagreement_between_draws",
        "ensemble_accuracy",
    ),
}
"""What each probe measures of an arm; `agreement` sees all of test, `interpolation` the `line_examples`, empty: all."""
PLACE = ("run", "level", "arm", "draw")
PROBES = [*PLACE, "density", "line_examples", *(metric for metrics in METRICS.values() for metric in metrics)]
LINES = [*PLACE, "split", "alpha", "loss", "accuracy"]


@dataclass(frozen=True)
class Seen:
    """What was seen at a level: a row of `probes.csv` for each arm and draw, and the rows of `lines.csv`."""

    probes: Sequence[Row] = ()
    lines: Sequence[Row] = ()


class LevelLooks:
    """The looks at a level that `probes` asks for; what they find is kept in `store` with the runs.

    line_examples: so many fixed examples of train and of test are enough for `interpolation`; None takes all.
    Raises SettingError for an unknown probe.
    """

    def __init__(self, probes: Sequence[str], data: Data, store: Store, line_examples: int | None = None) -> None:
        for name in probes:
            if name not in METRICS:
                raise SettingError("probes", name, f"unknown; known: {', '.join(METRICS)}")
        self.probes, self.data, self.store = probes, data, store
        self.seen_lines = Lines(data, store, line_examples)

    def at(self, outcomes: Sequence[Outcome], watch: Watch) -> Seen:
        """What is seen of the `outcomes` of one level; those that diverged have no row."""
        done = [outcome for outcome in outcomes if outcome.result.status == "done"]
        if not self.probes or not done:
            return Seen()
        level, networks = done[0].level, Networks(done, self.data)
        each = len(line()) if "interpolation" in self.probes else 1
        progress = watch(f"level {level.index}, probes", each * len(done))
        rows: list[Row] = []
        lines: list[Row] = []
        for number, outcome in enumerate(done):
            place = dict(zip(PLACE, (outcome.result.run, level.index, outcome.arm, outcome.draw), strict=True))
            found: Row = self._distance(outcome, networks) if "distance" in self.probes else {}
            if networks.comparable(outcome) and "interpolation" in self.probes:
                scores = self._line(outcome, networks, partial(after, progress, each * number))
                found |= {"line_examples": self.seen_lines.examples} | _barriers(scores)
                lines += [place | point for point in line_rows(scores)]
            if networks.comparable(outcome) and "agreement" in self.probes:
                found |= self._agreement(outcome, networks)
            rows.append(dict.fromkeys(PROBES) | place | {"density": level.density} | found)
            progress(each * (number + 1))
        return Seen(rows, lines)

    def _distance(self, outcome: Outcome, networks: "Networks") -> Row:
        key, solution = f"distance to init and {networks.pruned}", networks.states.get(networks.pruned)
        found = self.store.probed(outcome.result.run, key, lambda: distances_of(outcome, solution))
        names = {"l2": "distance_to", "cosine": "cosine_distance_to"}
        return {f"{names[measure]}_{to}": value for to, far in found.items() for measure, value in far.items()}

    def _line(self, outcome: Outcome, networks: "Networks", progress: Progress) -> Scores:
        ends = (outcome.result.final, networks.states[networks.pruned])
        words = f"from end to {networks.pruned}"
        return self.seen_lines.scores(networks.model, ends, outcome.result.run, words, progress=progress)

    def _agreement(self, outcome: Outcome, networks: "Networks") -> Row:
        run, own = outcome.result.run, networks.own[outcome.arm][outcome.draw]
        others = {"pruned": networks.pruned}
        if outcome.arm != "ticket" and "ticket" in networks.own:
            others["ticket"] = networks.own["ticket"][0]
        row: Row = {}
        for to, other in others.items():
            found = self.store.probed(run, f"agreement on test with {other}", partial(_alike, networks, own, other))
            row |= {f"{measure}_with_{to}": value for measure, value in found.items()}
        rest = [name for draw, name in networks.own[outcome.arm].items() if draw != outcome.draw]
        if rest:
            key = f"agreement on test with the draws {' '.join(rest)}"
            row |= self.store.probed(run, key, partial(_together, networks, own, rest))
        return row


class Networks:
    """The trained networks of a level that have the dense one's shapes, and its pruned solution, by name.

    A name is the digest of all weights, so that an answer that is kept under it is never given for others. own: arm ->
    draw -> name; pruned: the name of the pruned solution, empty at level 0.
    """

    def __init__(self, done: Sequence[Outcome], data: Data) -> None:
        level, self.data = done[0].level, data
        self.model = level.spec.model.to(data.test.labels.device)  # no training moved it where all was found
        self.states: dict[str, State] = {}
        self.own: dict[str, dict[int, str]] = {}
        self._answers: dict[str, Tensor] = {}
        self.pruned = self._named(masked(level.source, level.spec.mask)) if level.source is not None else ""
        for outcome in done:
            if not own_network(outcome):
                self.own.setdefault(outcome.arm, {})[outcome.draw] = self._named(outcome.result.final)

    def comparable(self, outcome: Outcome) -> bool:
        """Whether there is a pruned solution, and the network of `outcome` has its shapes."""
        return bool(self.pruned) and not own_network(outcome)

    def logits(self, name: str) -> Tensor:
        """What a network answers to test: logits (N, classes), each network asked once.

        BatchNorm's statistics of the pruned solution are taken anew on train: its own are of before it was pruned.
        """
        if name not in self._answers:
            self._answers[name] = self._ask(name)
        return self._answers[name]

    def _ask(self, name: str) -> Tensor:
        state = self.states[name]
        if name == self.pruned:
            with holding(self.model, state), batch_norm_on(self.model, self.data.train):
                state = clone(self.model.state_dict())
        return logits_of(self.model, state, self.data.test)

    def _named(self, state: State) -> str:
        name = digest(state)
        self.states[name] = state
        return name


def _barriers(scores: Scores) -> Row:
    """The barrier of the loss, in nats, and of the error, 0..1, on each split."""
    found = {}
    for split, pairs in scores.items():
        found[f"{split}_loss_barrier"] = barrier(line(), [loss for loss, _ in pairs])
        found[f"{split}_error_barrier"] = barrier(line(), [1 - accuracy for _, accuracy in pairs])
    return found


def _alike(networks: Networks, first: str, second: str) -> Row:
    answers = networks.logits(first), networks.logits(second)
    return {"disagreement": disagreement(*answers), "kl": symmetric_kl(*answers)}


def _together(networks: Networks, own: str, rest: Sequence[str]) -> Row:
    """The mean disagreement with the other draws, whose mean over the draws is that over pairs; the ensemble of all."""
    first, *others = (networks.logits(name) for name in (own, *rest))
    return {
        "disagreement_between_draws": math.fsum(disagreement(first, other) for other in others) / len(others),
        "ensemble_accuracy": ensemble_accuracy([first, *others], networks.data.test.labels),
    }
