"""Levels: train, score, prune, rewind, and again (Frankle & Carbin 2019, section 2, strategy 1).

What is rewound is a choice: weights and schedule, the schedule alone, or neither (Renda et al. 2020).
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lth.core.errors import SettingError
from lth.core.keeping import kept
from lth.core.rng import rng
from lth.core.side_state import load_side_state
from lth.core.weights import Mask, State, beside, on_cpu
from lth.lottery.iterate import REWOUND, Iterate
from lth.lottery.scoring import gradual_of, scored_network
from lth.lottery.ticket import Ticket
from lth.pruning.mask import density
from lth.pruning.resolved import ResolvedPruning, collapsed, prune_to
from lth.pruning.scores.inputs import ScoreInputs
from lth.training.custom import loop_from
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

log = logging.getLogger(__name__)

Fit = Callable[[RunSpec], RunResult]
"""Trains a spec, or finds its result in a store."""

Measure = Callable[[State], dict[str, float]]
"""The layer densities, up to a common factor, by the weights of the trained dense network."""


@dataclass(frozen=True)
class Level:
    """One round of pruning: its mask on the rewind point (`spec`, which controls vary), and the ticket's `result`.

    source: the weights that the mask was scored on, or that a gradual pruning ended with; None at level 0, the dense
    network. iterate: how the ticket's training goes on from there.
    """

    index: int
    spec: RunSpec
    result: RunResult
    source: State | None
    iterate: Iterate = REWOUND

    @property
    def ticket_spec(self) -> RunSpec:
        """The training of the ticket: `spec` itself where the weights are rewound."""
        return self.spec if self.source is None else self.iterate.training(self.spec, self.source)

    @property
    def density(self) -> float:
        """Kept / prunable weights, 0..1."""
        return density(self.spec.mask)

    def ticket(self, **provenance: Any) -> Ticket:
        """The ticket of this level: its mask and the state that its training began with, with `provenance` of it.

        That is the state at the rewind point, or where levels go on from trained weights, those.
        """
        about = {**provenance, "level": self.index, "run": self.result.run}
        if self.iterate.way != "weights":
            about["iterate"] = self.iterate.way
        return Ticket(self.spec.mask, self.ticket_spec.initial_state, self.spec.plan.start, about)


def rewound(spec: RunSpec, fit: Fit) -> RunSpec:
    """`spec` from the state that every level starts from, that of iteration `spec.plan.start`.

    Rewinding to k is training k iterations first: schedule and data order go on from k, the optimiser starts fresh.
    Raises SettingError where the training up to k diverged.
    """
    k = spec.plan.start
    if k == 0:
        return spec
    result = fit(replace(spec, plan=replace(spec.plan, start=0, stop=k)))
    if result.status != "done":
        raise SettingError("rewind", k, f"the training up to the rewind point diverged: {result.message}")
    loop = loop_from(spec.loop, result) if spec.loop else None
    return replace(spec, initial_state=result.final, loop=loop)


def levels(
    dense: RunSpec,
    pruning: ResolvedPruning,
    fit: Fit,
    only: Collection[int] | None = None,
    measure: Measure | None = None,
    iterate: Iterate = REWOUND,
) -> Iterator[Level]:
    """Level 0, the dense network, then one level for each pruning of `pruning`; the last is trained and not pruned.

    `dense.initial_state` is the rewind point. With the schedule `one_shot` every mask comes from the final weights of
    level 0, with `gradual` each from a training of its own, and with score_at=init all from the rewind point: then
    levels above 0 that are not in `only` (None: all are) need no training and are left out. `measure` gives layer
    densities that are to be measured. `iterate` says what each level's training begins with. Where the training that
    the next mask comes from diverges, its level is the last.
    """
    iterative = pruning.settings.schedule == "iterative"
    full_mask = pruning.dense()
    spec = replace(dense, mask=full_mask)
    level = Level(0, spec, fit(spec), None)
    yield level
    mask, source = full_mask, _source(level, pruning)
    if measure:
        if source is None:
            log.warning("the dense network diverged, so there are no layer densities: level 0 is the last")
            return
        pruning = pruning.with_layer_densities(measure(source))
    for index in range(1, pruning.levels + 1):
        skipped = pruning.settings.levels_apart and only is not None and index not in only
        if skipped and not iterative:
            continue
        before = mask if iterative else full_mask
        mask, source = _pruned(dense, pruning, index, before, source, fit)
        if source is None:
            log.warning("there are no weights to prune by: level %d is the last", level.index)
            return
        for name in collapsed(before, mask):
            log.warning("level %d: layer collapse: the last weight of %s was pruned", index, name)
        if skipped:
            continue
        spec = replace(dense, mask=mask, level=index)
        level = Level(index, spec, fit(iterate.training(spec, source)), source, iterate)
        yield level
        if iterative:
            source = _source(level, pruning)


def _source(level: Level, pruning: ResolvedPruning) -> State | None:
    """The weights that the mask of the level after `level` is scored on; None where its training diverged."""
    if pruning.settings.score_at == "init":
        return level.spec.initial_state
    return on_cpu(level.result.final) if level.result.status == "done" else None


def _pruned(
    dense: RunSpec, pruning: ResolvedPruning, index: int, before: Mask, source: State | None, fit: Fit
) -> tuple[Mask, State | None]:
    """The mask of level `index`, and the weights it was scored on; None in their place where there are none."""
    keep = pruning.level_counts[index]
    if pruning.settings.schedule == "gradual":
        return _gradually(dense, pruning, keep, fit)
    if source is None:
        return before, None
    # where every level prunes the dense network anew, a random score is the same for all levels: so masks are nested
    draw = index - 1 if pruning.settings.schedule == "iterative" else 0
    inputs = ScoreInputs(
        {name: source[name] for name in before},
        before,
        rng(dense.seeds.mask, "score", draw),
        {name: dense.initial_state[name] for name in before},
        scored_network(dense, source, pruning),
    )
    with kept(dense.model):
        load_side_state(dense.model, beside(source))
        return prune_to(pruning, keep, inputs), source


def _gradually(
    dense: RunSpec, pruning: ResolvedPruning, keep: Mapping[str, int], fit: Fit
) -> tuple[Mask, State | None]:
    """The mask and the final weights of a training of `dense` that is pruned to `keep` as it goes."""
    full_mask = pruning.dense()
    result = fit(replace(dense, mask=full_mask, update=gradual_of(dense, pruning, keep)))
    if result.status != "done":
        log.warning("the training that is pruned as it goes diverged: %s", result.message)
        return full_mask, None
    return result.mask(full_mask), on_cpu(result.final)
