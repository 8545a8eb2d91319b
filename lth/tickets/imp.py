"""Levels: train, score, prune, rewind, and again (Frankle & Carbin 2019, section 2, strategy 1)."""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from lth.core.errors import SettingError
from lth.core.rng import rng
from lth.core.weights import Mask, State, on_cpu
from lth.pruning.mask import Layer, dense, density
from lth.pruning.schedule import Pruning, ladder
from lth.pruning.scores import SCORES
from lth.pruning.select import global_, layerwise
from lth.training.job import Job
from lth.training.trace import Trace

log = logging.getLogger(__name__)

Fit = Callable[[Job], Trace]
"""Trains a job, or finds its answer where it is kept already."""


@dataclass(frozen=True)
class Level:
    """One round: the ticket's training `job` (its mask, its rewind point) and what came of it.

    `source` holds the trained weights that the mask was scored on; None at level 0, the dense network.
    """

    index: int
    job: Job
    trace: Trace
    source: State | None

    @property
    def density(self) -> float:
        """Kept / prunable weights, 0..1."""
        return density(self.job.mask)


def rewind_point(job: Job, fit: Fit) -> State:
    """The state that every level of `job` starts from: that of iteration `job.plan.start`.

    Rewinding to k is training k iterations first: schedule and data order go on from k, the optimiser starts fresh.
    Raises SettingError where the training up to k diverged.
    """
    k = job.plan.start
    if k == 0:
        return job.start
    trace = fit(replace(job, plan=replace(job.plan, start=0, stop=k)))
    if trace.status != "done":
        raise SettingError("rewind", k, f"the training up to the rewind point diverged: {trace.message}")
    return trace.final


def levels(
    dense_job: Job,
    layers: Sequence[Layer],
    pruning: Pruning,
    count: int,
    fit: Fit,
    only: Collection[int] | None = None,
) -> Iterator[Level]:
    """Levels 0 (the dense network) to `count`: `count` prunings, `count` + 1 trainings; the last is not pruned.

    `dense_job.start` is the rewind point. With the schedule `one_shot` every mask comes from level 0's final weights,
    so that of the levels above 0 those in `only` can do without the others (None: all). Where a training that the next
    mask would come from diverges, there is nothing to prune by: the levels end with it.
    """
    one_shot = pruning.schedule == "one_shot"
    rungs = ladder(layers, pruning, count)
    mask = dense(layers)
    source: State | None = None
    for index in range(count + 1):
        if one_shot and index and only is not None and index not in only:
            continue
        if source is not None:
            before = dense(layers) if one_shot else mask
            scored = 0 if one_shot else index - 1  # one shot: one draw of a random score, so that masks are nested
            mask = prune(source, before, rungs[index], pruning, dense_job.seeds.mask, scored)
            for name in collapsed(before, mask):
                log.warning("level %d: layer collapse: the last weight of %s was pruned", index, name)
        job = replace(dense_job, mask=mask)
        level = Level(index, job, fit(job), source)
        yield level
        if one_shot and index:
            continue
        if level.trace.status == "diverged":
            log.warning("there are no weights to prune by: level %d is the last", index)
            return
        source = on_cpu(level.trace.final)


def collapsed(before: Mask, after: Mask) -> list[str]:
    """The layers that `before` keeps something of and `after` nothing; the global scope can come to that."""
    return [name for name, alive in after.items() if before[name].any() and not alive.any()]


def prune(trained: State, mask: Mask, keep: dict[str, int], pruning: Pruning, seed: int, level: int = 0) -> Mask:
    """The mask that keeps exactly `keep` (by layer, or "" for all) of the weights that `mask` keeps.

    `trained`: the weights that the score looks at. `seed` and `level` address the draws of a random score.
    """
    scores = SCORES[pruning.score]({name: trained[name] for name in mask}, rng(seed, "score", level))
    return global_(scores, mask, keep[""]) if pruning.scope == "global" else layerwise(scores, mask, keep)
