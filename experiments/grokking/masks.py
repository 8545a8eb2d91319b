"""Masks of the ticket's density that are found otherwise: before training, or when the network has only memorised."""

import logging
from collections.abc import Iterator
from dataclasses import replace

from lth.lottery.arms import Outcome, warn_if_diverged
from lth.lottery.levels import Fit, Level, levels
from lth.lottery.plan import ImpPlan
from lth.pruning.methods import pruning_of
from lth.pruning.resolved import resolve
from lth.session import Session
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

from .tables import delay

log = logging.getLogger(__name__)


def other_masks(session: Session, plan: ImpPlan, dense: Level, fit: Fit) -> Iterator[Outcome]:
    """The trained networks of the masks in `settings.methods`, an arm each, at the levels of controls.

    dense: the dense network, trained. Where it never memorises before it generalises there is no arm `memorized`, and
    none at all where it diverged.
    """
    settings = session.settings
    for method in settings.methods if dense.result.status == "done" else ():
        source: RunResult | None = dense.result
        if method == "memorized":
            source = memorized(session, dense, fit)
        if source is None:
            continue
        pruning = pruning_of("magnitude_after" if method == "memorized" else method, plan.pruning)
        few = dense.spec.data.train.take(slice(2)).images
        resolved = resolve(dense.spec.model, pruning, plan.levels, examples=few)
        for level in levels(dense.spec, resolved, scored_on(source, fit), plan.control_levels):
            if level.index:
                warn_if_diverged(level, method, level.result)
                yield Outcome(level, method, 0, level.spec, level.result)


def scored_on(source: RunResult, fit: Fit) -> Fit:
    """`fit`, but the dense network is not trained again: `source` is what masks are scored on."""

    def trained(spec: RunSpec) -> RunResult:
        pruned = any(not mask.all() for mask in spec.mask.values())
        return fit(spec) if pruned else source

    return trained


def memorized(session: Session, dense: Level, fit: Fit) -> RunResult | None:
    """The dense network trained until it has learnt the training split; None where that comes first or never."""
    curve = [row for row in session.rows("curves") if row["run"] == dense.result.run]
    learnt = delay(curve, session.settings.threshold)
    at, generalized = learnt["memorized_at"], learnt["generalized_at"]
    if at is None or not dense.spec.plan.start < at or (generalized is not None and generalized <= at):
        log.warning("the dense network has no time at which it has memorised and not generalised: no arm memorized")
        return None
    return fit(replace(dense.spec, plan=replace(dense.spec.plan, stop=at)))
