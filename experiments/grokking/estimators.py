"""What the claims about grokking compute of delays.csv."""

from lth.core.tables import Row
from lth.report.claims.estimators import Which, estimator
from lth.report.claims.evidence import Evidence
from lth.report.claims.values import Estimate, Values, averaged, geometric_mean, paired


@estimator(unit="times", tables=("delays",), with_failed=True)
def delay_ratio(evidence: Evidence, *, of: Which, than: Which) -> Values:
    """How many times as many iterations `of` generalises after it has memorised as `than`; 1 is the same delay.

    A network that does not generalise at all has not failed here: its delay is at least the rest of its training.
    """
    first, second = delays(evidence, of), delays(evidence, than)
    if "level" in than:
        second = dict.fromkeys(first, second.get(than["level"], {}))
    return paired(first, second, lambda x, y: x / y)


def delays(evidence: Evidence, which: Which) -> Values:
    """The delay of each training that `which` selects, draws averaged as logarithms."""
    values: Values = {}
    for row in [*evidence.rows("delays", which), *evidence.failed_rows("delays", which)]:
        if row["delay"]:
            values.setdefault(row["level"], {})[row["seed"], row["draw"]] = delay_of(row)
    return values if evidence.by_run else {level: averaged(here, geometric_mean) for level, here in values.items()}


def delay_of(row: Row) -> Estimate:
    """The delay in a row of delays.csv, which may be a lower bound."""
    return Estimate(row["delay"], frozenset((row["run"],)), above=bool(row["censored"]))


ESTIMATORS = (delay_ratio,)
