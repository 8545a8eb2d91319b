"""The run of `lth stability`: for each rewind point the search, the children of its networks, and their lines."""

from collections.abc import Callable, Iterator
from itertools import combinations

from lth.core.errors import SettingError
from lth.experiment import Item
from lth.lottery.arms import Outcome, each_level, warn_if_diverged
from lth.lottery.levels import Fit
from lth.lottery.plan import ImpPlan
from lth.session import Session, Trained
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

from .children import check_noise, child, children
from .pairs import Pairs
from .settings import MOST_CHILDREN


def run(session: Session) -> Iterator[Item]:
    """Yields the children of every network, and the rows of stability.csv and lines.csv; keeps the last tickets."""
    settings = session.settings
    check_noise(session.data, settings.recipe.batch_size)
    plans = {k: session.imp_plan(settings.of(k, dense)) for k, dense in rewinds_of(session).items()}
    session.expect(sum(map(networks, plans.values())) * settings.children)
    # a search checks everything before it trains anything
    searches = {k: session.search(plan, fit_of(session.fit, plan)) for k, plan in plans.items()}
    lines = settings.points, settings.line_examples
    pairs = Pairs(session.device_data, *lines, session.store.probed, session.progress.measuring)
    for k, outcomes in searches.items():
        about = session.about(f"{settings.pruning.schedule_label}_k{k}", settings.of(k))
        for outcome in outcomes:
            if outcome.level.index in (0, *plans[k].control_levels):
                trained = list(trained_children(session.fit, outcome, settings.children))
                yield from (Trained(one, about) for one in trained)
                named = {key: about[key] for key in ("setting", "schedule")}
                for first, second in combinations(trained, 2):
                    yield from pairs.rows(first, second, named)
            if outcome.arm == "ticket" and outcome.level.index:
                session.keep(outcome.level, f"ticket_k{k}", setting=about["setting"])


def rewinds_of(session: Session) -> dict[int, bool]:
    """The rewind points in iterations, in order -> whether they are for the dense network alone.

    Raises SettingError for one that is named twice or lies past the end.
    """
    total = session.iterations(session.settings.recipe.iterations, "recipe.iterations")
    rewinds: dict[int, bool] = {}
    for key in ("rewinds", "dense_rewinds"):
        for duration in getattr(session.settings, key):
            k = session.iterations(duration, key)
            if k in rewinds:
                raise SettingError(key, duration, f"is iteration {k}, which is named already")
            if k >= total:
                raise SettingError(key, duration, f"leaves nothing of a training of {total} iterations to children")
            rewinds[k] = key == "dense_rewinds"
    return dict(sorted(rewinds.items()))


def networks(plan: ImpPlan) -> int:
    """How many networks have children at one rewind point."""
    return 1 + len(set(plan.control_levels)) * (1 + each_level(plan.arms, plan.draws))


def fit_of(fit: Fit, plan: ImpPlan) -> Fit:
    """`fit`, which trains in the search's own order only what the search needs: trainings that a mask comes from.

    And those up to a rewind point. Of all others it gives the first child, which is trained anyway.
    """

    def trained(spec: RunSpec) -> RunResult:
        return fit(spec if is_searched(spec, plan) else child(spec, 0))

    return trained


def is_searched(spec: RunSpec, plan: ImpPlan) -> bool:
    """Whether a mask, or a rewind point, comes from what `spec` trains."""
    if spec.arm != "ticket" or spec.plan.stop < spec.plan.total:
        return spec.arm == "ticket"
    if spec.update is not None:  # a gradual pruning
        return True
    if plan.pruning.score_at == "init":
        return False
    return spec.level < (plan.levels if plan.pruning.schedule == "iterative" else min(1, plan.levels))


def trained_children(fit: Callable[[RunSpec], RunResult], outcome: Outcome, count: int) -> Iterator[Outcome]:
    """The `count` children of the network that `outcome` is about, each trained."""
    specs = children(outcome.spec, count)
    for number, spec in enumerate(specs, start=MOST_CHILDREN * outcome.draw):
        result = fit(spec)
        warn_if_diverged(outcome.level, f"{outcome.arm}, child {number}", result)
        yield Outcome(outcome.level, outcome.arm, number, spec, result)
