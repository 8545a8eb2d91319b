"""What claims about consecutive levels compute of probes.csv."""

import statistics

from lth.analysis.line import STABLE
from lth.report.claims.estimators import estimator
from lth.report.claims.evidence import Evidence
from lth.report.claims.values import Estimate, Place, Values
from lth.report.criteria import Criteria

BARRIER, ABOVE_DENSE = "test_error_barrier_to_previous", "test_accuracy_less_dense"


@estimator(unit="%", tables=("probes",))
def connected_where_matching(evidence: Evidence, *, below: float = STABLE, margin: float = Criteria().margin) -> Values:
    """Percent of the levels at which tickets are both linearly connected with the one before and matching, or neither.

    Connected: a barrier of test error below `below` points; matching: at most `margin` points less accurate than the
    dense network of the same seed. One value a seed.
    """
    agrees: dict[int, list[bool]] = {}
    runs: dict[int, set[str]] = {}
    for row in evidence.rows("probes", {"arm": "ticket"}):
        if row[BARRIER] is not None and row[ABOVE_DENSE] is not None:
            connected, matching = 100 * row[BARRIER] < below, 100 * row[ABOVE_DENSE] >= -margin
            agrees.setdefault(row["seed"], []).append(connected == matching)
            runs.setdefault(row["seed"], set()).add(row["run"])
    values: dict[Place, float] = {
        (seed, 0): Estimate(100 * statistics.fmean(each), frozenset(runs[seed])) for seed, each in agrees.items()
    }
    return {evidence.trainings.last_level: values}


ESTIMATORS = (connected_where_matching,)
