"""Levels: train, score, prune, rewind, and again (Frankle & Carbin 2019, section 2, strategy 1)."""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from lth.core.errors import SettingError
from lth.core.rng import rng
from lth.core.weights import Mask, State, on_cpu
from lth.lottery.scoring import gradual_of, network_of
from lth.pruning.mask import Layer, dense, density
from lth.pruning.schedule import Pruning, level_counts
from lth.pruning.scores import SCORES, steps_of
from lth.pruning.scores.inputs import Network, ScoreInputs
from lth.pruning.select import selection_of
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

log = logging.getLogger(__name__)

Fit = Callable[[RunSpec], RunResult]
"""Trains a spec, or finds its answer where it is kept already."""

Measure = Callable[[State], dict[str, float]]
"""The density that each layer is to have in proportion, by the weights of the trained dense network."""


@dataclass(frozen=True)
class Level:
    """One round: the ticket's training `spec` (its mask, its rewind point) and what came of it.

    `source` holds the weights that the mask was scored on, or that a gradual pruning ended with; None at level 0, the
    dense network.
    """

    index: int
    spec: RunSpec
    result: RunResult
    source: State | None

    @property
    def density(self) -> float:
        """Kept / prunable weights, 0..1."""
        return density(self.spec.mask)


def rewind_point(spec: RunSpec, fit: Fit) -> State:
    """The state that every level of `spec` starts from: that of iteration `spec.plan.start`.

    Rewinding to k is training k iterations first: schedule and data order go on from k, the optimiser starts fresh.
    Raises SettingError where the training up to k diverged.
    """
    k = spec.plan.start
    if k == 0:
        return spec.initial_state
    result = fit(replace(spec, plan=replace(spec.plan, start=0, stop=k)))
    if result.status != "done":
        raise SettingError("rewind", k, f"the training up to the rewind point diverged: {result.message}")
    return result.final


def levels(
    dense_job: RunSpec,
    layers: Sequence[Layer],
    pruning: Pruning,
    count: int,
    fit: Fit,
    only: Collection[int] | None = None,
    measure: Measure | None = None,
) -> Iterator[Level]:
    """Levels 0 (the dense network) to `count`: `count` prunings, `count` + 1 trainings; the last is not pruned.

    `dense_job.start` is the rewind point. With the schedule `one_shot` every mask comes from level 0's final weights,
    with `gradual` each from a training of its own, and with `pruning.score_at=init` all from the rewind point: then of
    the levels above 0 those in `only` can do without the others (None: all). `measure` gives the densities of
    `pruning`.
    Where a training that the next mask would come from diverges, there is nothing to prune by: the levels end with it.
    """
    counts, whole = [] if measure else level_counts(layers, pruning, count), dense(layers)
    spec = replace(dense_job, mask=whole)
    level = Level(0, spec, fit(spec), None)
    yield level
    mask, source = whole, _source(level, pruning)
    if measure:
        if source is None:
            log.warning("the dense network diverged, so there are no densities to prune to: level 0 is the last")
            return
        counts = level_counts(layers, replace(pruning, layer_densities=measure(source)), count)
    for index in range(1, count + 1):
        skipped = pruning.levels_apart and only is not None and index not in only
        if skipped and pruning.schedule != "iterative":
            continue
        before = mask if pruning.schedule == "iterative" else whole
        if pruning.schedule == "gradual":
            mask, source = _gradually(dense_job, layers, pruning, counts[index], fit)
        elif source is not None:
            mask = _scored(dense_job, source, before, counts[index], layers, pruning, index)
        if source is None:
            log.warning("there are no weights to prune by: level %d is the last", level.index)
            return
        for name in collapsed(before, mask):
            log.warning("level %d: layer collapse: the last weight of %s was pruned", index, name)
        if skipped:
            continue
        spec = replace(dense_job, mask=mask)
        level = Level(index, spec, fit(spec), source)
        yield level
        if pruning.schedule == "iterative":
            source = _source(level, pruning)


def _source(level: Level, pruning: Pruning) -> State | None:
    """The weights that a level after `level` is scored on; None where its training diverged."""
    if pruning.score_at == "init":
        return level.spec.initial_state
    return on_cpu(level.result.final) if level.result.status == "done" else None


def _gradually(
    spec: RunSpec, layers: Sequence[Layer], pruning: Pruning, keep: dict[str, int], fit: Fit
) -> tuple[Mask, State | None]:
    """The mask and the final weights of a training of `spec` that is pruned to `keep` as it goes."""
    whole = dense(layers)
    result = fit(replace(spec, mask=whole, update=gradual_of(spec, layers, pruning, keep)))
    if result.status != "done":
        log.warning("the training that is pruned as it goes diverged: %s", result.message)
        return whole, None
    return result.mask(whole), on_cpu(result.final)


def _scored(
    spec: RunSpec,
    source: State,
    before: Mask,
    keep: dict[str, int],
    layers: Sequence[Layer],
    pruning: Pruning,
    index: int,
) -> Mask:
    """The mask of level `index`, scored on `source`."""
    drawn = index - 1 if pruning.schedule == "iterative" else 0  # one draw of a random score, so that masks are nested
    network = network_of(spec, source, pruning)
    return prune(source, before, keep, layers, pruning, spec.seeds.mask, drawn, spec.initial_state, network)


def collapsed(before: Mask, after: Mask) -> list[str]:
    """The layers that `before` keeps something of and `after` nothing; the global scope can come to that."""
    return [name for name, alive in after.items() if before[name].any() and not alive.any()]


def prune(
    trained: State,
    mask: Mask,
    keep: dict[str, int],
    layers: Sequence[Layer],
    pruning: Pruning,
    seed: int,
    level: int = 0,
    initial: State | None = None,
    network: Network | None = None,
) -> Mask:
    """The mask that keeps exactly `keep` units (by part, as `level_counts` counts) of those that `mask` keeps.

    `trained`: the weights that the score looks at; `initial`, `network`: what else it may ask for. `seed` and `level`
    address the draws of a random score. A score that is taken more than once prunes to counts that fall
    exponentially, each time on what is left (Tanaka et al. 2020, algorithm 1).
    """
    selection, steps = selection_of(pruning, layers), steps_of(pruning)
    alive = selection.count(mask)
    first = {name: initial[name] for name in mask} if initial is not None else None
    for step in range(1, steps + 1):
        inputs = ScoreInputs({name: trained[name] for name in mask}, mask, rng(seed, "score", level), first, network)
        counts = keep
        if step < steps:
            counts = {part: round(n * (keep[part] / max(1, n)) ** (step / steps)) for part, n in alive.items()}
        mask = selection.choose(SCORES[pruning.score](inputs), mask, counts)
    return mask
