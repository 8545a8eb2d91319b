"""The run of `lth imp`: the levels, their arms, the probes, and what the search for each ticket took."""

import logging
from collections.abc import Iterator
from itertools import groupby

from lth.compression.scoring_cost import score_cost
from lth.compression.search_cost import pace_of, search_cost
from lth.core.tables import Row
from lth.experiment import Item
from lth.lottery.arms import Outcome
from lth.session import Session
from lth.training.gradient import EXAMPLES

log = logging.getLogger(__name__)


def run(session: Session) -> Iterator[Item]:
    """Yields every trained arm, level by level, the rows of the probes, and the rows of search.csv."""
    settings = session.settings
    plan = session.imp_plan()
    session.expect(plan.trainings)
    warn_of_slow_probes(session)
    probes = session.probes(settings.probes, settings.line_examples)
    for _, outcomes in groupby(session.search(plan), key=lambda outcome: outcome.level.index):
        level_outcomes: list[Outcome] = []
        for outcome in outcomes:
            yield outcome
            level_outcomes.append(outcome)
        yield from probes.measure(level_outcomes, session.progress.measuring)
        session.keep(level_outcomes[0].level)
    yield from (("search", row) for row in search_rows(session))


def warn_of_slow_probes(session: Session) -> None:
    """Warns where the gradient norm is measured so often that it takes more than 5% of the training time."""
    if session.loop is not None:  # it is not measured of a loop whose loss lth does not know
        return
    every = session.gradient_norm.every
    if every and EXAMPLES / session.settings.recipe.batch_size / every > 0.05:  # as many batches as it has examples
        log.warning("probe_every=%s: measuring the gradient norm takes more than 5%% of the time", every)


def search_rows(session: Session) -> list[Row]:
    """The rows of search.csv; none for gradual pruning, where the trainings that find the masks have no rows.

    None either for a user's own loop: lth does not know what its steps compute.
    """
    results, settings = session.rows("results"), session.settings
    tickets = [row for row in results if row["arm"] == "ticket"]
    if session.loop is not None or tickets[0]["schedule"].startswith("gradual"):
        return []
    pace = pace_of(session.model, session.device_data.train, settings.recipe.batch_size)
    scoring = score_cost(settings.pruning, session.model, session.device_data.train)
    return [
        {key: row[key] for key in ("setting", "seed", "level", "density")}
        | search_cost(results, row["level"], pace, scoring).row
        for row in tickets
    ]
