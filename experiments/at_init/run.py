"""The run of `lth at_init`: every method, its levels and their arms, and what finding each mask took."""

from collections.abc import Iterator

from lth.compression.scoring_cost import score_cost
from lth.compression.search_cost import pace_of
from lth.experiment import Item
from lth.pruning.methods import METHODS
from lth.session import Session, Trained

from .methods import table_rows


def run(session: Session) -> Iterator[Item]:
    """Yields the trained arms of each method, and the rows of table.csv; keeps the last ticket of each method."""
    settings = session.settings
    by_method = {method: settings.of(method) for method in settings.methods}
    plans = {method: session.imp_plan(own) for method, own in by_method.items()}
    session.expect(sum(plan.trainings for plan in plans.values()))
    searches = {method: session.search(plan) for method, plan in plans.items()}  # checks all before it trains any
    for method, outcomes in searches.items():
        about = session.about(METHODS[method].word(), by_method[method])
        for outcome in outcomes:
            yield Trained(outcome, about)
            session.keep(outcome.level, method, setting=about["setting"])
    train = session.device_data.train
    pace = pace_of(session.model, train, settings.recipe.batch_size)
    scoring = {method: score_cost(plan.pruning, session.model, train) for method, plan in plans.items()}
    yield from (("table", row) for row in table_rows(session.rows("results"), pace, scoring))
