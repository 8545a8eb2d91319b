"""What claims about consecutive levels compute of probes.csv."""

import statistics

from lth.analysis.line import STABLE
from lth.core.tables import Row
from lth.report.claims.estimators import Which, estimator
from lth.report.claims.evidence import Evidence
from lth.report.claims.values import Estimate, Place, Values, scaled
from lth.report.conditions import DIGITS
from lth.report.criteria import Criteria

PROBES = "probes"
BARRIER, ABOVE_DENSE = "test_error_barrier_to_previous", "test_accuracy_less_dense"


@estimator(unit="points", tables=(PROBES,))
def barrier_to_previous(evidence: Evidence, *, of: Which) -> Values:
    """Points of the barrier of test error between the ticket of a level and that of the level before."""
    return scaled(evidence.values(PROBES, BARRIER, of), 100)


@estimator(unit="%", tables=(PROBES,), over_levels=True)
def connected_where_matching(evidence: Evidence, *, below: float = STABLE, margin: float = Criteria().margin) -> Values:
    """Percent of the levels at which tickets are both linearly connected with the one before and matching, or neither.

    Connected: a barrier of test error below `below` points; matching: at most `margin` points less accurate than the
    dense network of the same seed. One value a seed, an upper bound where the search reached no ticket that does not
    match: whether those are unconnected is not known then.
    """
    by_seed: dict[int, list[Row]] = {}
    for row in evidence.rows(PROBES, {"arm": "ticket"}):
        if is_measured(row):
            by_seed.setdefault(row["seed"], []).append(row)
    values: dict[Place, float] = {}
    for seed, rows in by_seed.items():
        matching = [is_matching(row, margin) for row in rows]
        agree = [is_connected(row, below) == matches for row, matches in zip(rows, matching, strict=True)]
        runs = frozenset(row["run"] for row in rows)
        values[seed, 0] = Estimate(100 * statistics.fmean(agree), runs, below=all(matching))
    return {evidence.trainings.last_level: values}


def is_measured(row: Row) -> bool:
    """Whether a row of probes.csv has both the barrier to the level before and the accuracy less the dense one's."""
    return row.get(BARRIER) is not None and row.get(ABOVE_DENSE) is not None


def is_connected(row: Row, below: float = STABLE) -> bool:
    """Whether the barrier of test error to the level before lies below `below` points."""
    return bool(round(100 * row[BARRIER] - below, DIGITS) < 0)


def is_matching(row: Row, margin: float) -> bool:
    """Whether the ticket is at most `margin` points less accurate than the dense network of its seed."""
    return bool(round(100 * row[ABOVE_DENSE] + margin, DIGITS) >= 0)


ESTIMATORS = (barrier_to_previous, connected_where_matching)
