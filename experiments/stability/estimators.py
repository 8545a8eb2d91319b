"""What the claims about stability compute of stability.csv and of the children's accuracies."""

import statistics
from dataclasses import replace

from lth.analysis.line import STABLE
from lth.report.claims.estimators import Which, difference, estimator
from lth.report.claims.evidence import RESULTS, Evidence
from lth.report.claims.values import Estimate, Place, Values, averaged
from lth.report.distributions import normal_quantile
from lth.report.statistics import measured

from .networks import ACCURACY, estimate, settled

PAIRS = "stability"
SURE = normal_quantile(0.975)
"""How many standard errors the test set may move an instability: its 95% interval."""


@estimator(unit="points", tables=(PAIRS,))
def instability(evidence: Evidence, *, of: Which, column: str = "test_instability") -> Values:
    """Points that the error on the line between two children rises above the mean of its ends, at most."""
    values: Values = {}
    for row in evidence.rows(PAIRS, of):
        if measured(row[column]):
            place = (row["seed"], 1_000 * row["first"] + row["second"])
            values.setdefault(row["level"], {})[place] = estimate(row, column)
    return values if evidence.by_run else {level: averaged(here, statistics.fmean) for level, here in values.items()}


@estimator(unit="%", tables=(PAIRS,))
def stable_from(evidence: Evidence, *, of: Which, below: float = STABLE) -> Values:
    """Percent of training from which on a network is stable at every rewind point at which it was tried.

    The true point lies between this one and the one before, so that the value is an upper bound. Of a seed that is
    stable at none, all of the training is a lower bound. The value is open, too, on the side to which the error that
    the test set leaves could move it. A seed that has not tried all rewind points is left out.
    """
    values: Values = {}
    total = evidence.longest()
    for (level, place), by_rewind in _by_rewind(evidence, of).items():
        rewinds = sorted(by_rewind)
        first, latest, earliest = (
            settled({k: x + errors * x.error < below for k, x in by_rewind.items() if x is not None}, rewinds)
            for errors in (0, SURE, -SURE)
        )
        runs = frozenset[str]().union(*(x.runs for x in by_rewind.values() if x is not None))
        later = first is None or latest != first
        earlier = earliest != first or (first is not None and first > rewinds[0])
        share = 100 * (total if first is None else first) / total
        values.setdefault(level, {})[place] = Estimate(share, runs, above=later, below=earlier)
    return values


@estimator(unit="points", signed=True)
def difference_at_last(evidence: Evidence, *, of: Which, than: Which) -> Values:
    """Points that the accuracy at the end is higher in `of` than in `than`, from the last rewind point of tickets."""
    results = evidence.tables.get(RESULTS, ())
    last = max((row["rewind"] for row in results if row["level"]), default=0)
    there = replace(evidence, tables={**evidence.tables, RESULTS: [row for row in results if row["rewind"] == last]})
    return difference.compute(there, column=ACCURACY, of=of, than=than)


def _by_rewind(evidence: Evidence, of: Which) -> dict[tuple[int, Place], dict[int, Estimate | None]]:
    """(level, place) -> rewind point -> the mean instability of a seed's pairs; None where a child failed.

    Of the seeds that have tried every rewind point that another has tried of the same network.
    """
    values: dict[tuple[int, Place], dict[int, Estimate | None]] = {}
    for row in [*evidence.rows(PAIRS, of), *evidence.failed_rows(PAIRS, of)]:
        values.setdefault((row["level"], (row["seed"], 0)), {})[row["rewind"]] = None
    tried: dict[int, set[int]] = {}
    for (level, _), by_rewind in values.items():
        tried.setdefault(level, set()).update(by_rewind)
    for k in set[int]().union(*tried.values()):
        pairs = [row for row in evidence.tables.get(PAIRS, ()) if row["rewind"] == k]
        here = replace(evidence, tables={**evidence.tables, PAIRS: pairs}, by_run=False)
        for level, places in instability.compute(here, of=of).items():
            for place, value in places.items():
                assert isinstance(value, Estimate)
                values[level, place][k] = value
    return {place: by_rewind for place, by_rewind in values.items() if by_rewind.keys() == tried[place[0]]}


ESTIMATORS = (instability, stable_from, difference_at_last)
