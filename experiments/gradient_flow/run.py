"""The run of `lth gradient_flow`: the pruned solution, the sparse network trained in every other way, the analyses."""

import logging
from collections.abc import Iterator

from lth.analysis.gradient import GradientNorm
from lth.experiment import Item
from lth.lottery.arms import ARMS
from lth.lottery.context import context_of
from lth.session import Session, Trained
from lth.training.recipe import plan as training_plan
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

from .analyses import GradientFlowAnalyses
from .plan import GradientFlowPlan, Training
from .spectra import spectra
from .trainings import train_plan

log = logging.getLogger(__name__)


def run(session: Session) -> Iterator[Item]:
    """Yields every trained arm, then the rows of every analysis; a worker other than 0 only trains."""
    settings, store, monitor = session.settings, session.store, session.progress.measuring
    plan = plan_of(session)
    session.expect(plan.trainings)
    closely = GradientNorm(session.gradient_norm.every, before_updates=True)

    def fit(training: Training) -> RunResult:
        changes = training.arm in ARMS and "rewiring" in ARMS.get(training.arm, "methods").needs
        result = session.fit(training.spec, *([closely] if changes and training.number == 0 else []))
        session.progress.done(f"{training.arm} {training.number}")
        return result

    trained = train_plan(plan, store, fit)
    if settings.worker:
        log.info("worker %d leaves the results to worker 0", settings.worker)
        return
    about = session.about("gradual")
    yield from (Trained(outcome, about) for outcomes in trained.outcomes.values() for outcome in outcomes)
    session.keep(trained.level)
    analyses = GradientFlowAnalyses(trained, session.device_data, store, settings.line_examples)
    for name in ("table", "agreement", "distances", "map", "updates"):
        yield from ((name, row) for row in getattr(analyses, name)())
    yield from (("lines", row) for row in analyses.lines(monitor))
    yield from (("signal", row) for row in analyses.signal(session.fresh, settings.repeats))
    yield from (("spectrum", row) for row in spectra(trained, store, settings.spectrum_examples, monitor))


def plan_of(session: Session) -> GradientFlowPlan:
    """What the settings have trained, with every duration in iterations."""
    settings, data, seeds = session.settings, session.device_data, session.seeds
    initial_state, examples = session.fresh(seeds.init), len(data.train)
    training = training_plan(settings.recipe, examples)
    spec = RunSpec(session.model, initial_state, {}, data, training, seeds, side=session.side)
    per_epoch = examples // settings.recipe.batch_size
    rewiring, gradual = settings.rewiring.in_iterations(per_epoch), settings.gradual.in_iterations(per_epoch)
    context = context_of(session.model, initial_state, session.fresh, rewiring)
    change = None if settings.change_at is None else session.iterations(settings.change_at, "change_at")
    rows = (settings.inits, settings.methods, settings.repeats)
    return GradientFlowPlan(spec, gradual, context, *rows, change, settings.redraw)
