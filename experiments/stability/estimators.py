"""What the claims about stability compute of stability.csv and of the children's accuracies."""

import statistics
from dataclasses import replace

from lth.analysis.line import STABLE
from lth.report.claims.estimators import Which, difference, estimator
from lth.report.claims.evidence import RESULTS, Evidence
from lth.report.claims.values import Estimate, Place, Values, averaged, mean_of
from lth.report.distributions import normal_quantile
from lth.report.statistics import measured

from .networks import ACCURACY, INSTABILITY, estimate, settled

PAIRS = "stability"


@estimator(unit="points", tables=(PAIRS,))
def instability(evidence: Evidence, *, of: Which, column: str = INSTABILITY) -> Values:
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

    The true point lies between this one and the one before, or before the first that was tried, so that the value is an
    upper bound. Of a seed that is stable at none, all of the training is a lower bound. The value is open, too, on the
    side to which the error that the test set leaves could move it. A seed that has not tried all rewind points is left
    out.
    """
    values: Values = {}
    total = evidence.longest()
    sure = normal_quantile(0.975)  # the test set may move an instability by so many of its errors
    for (level, place), by_rewind in _by_rewind(evidence, of).items():
        rewinds = sorted(by_rewind)
        first, latest, earliest = (
            settled({k: x + errors * x.error < below for k, x in by_rewind.items() if x is not None}, rewinds)
            for errors in (0, sure, -sure)
        )
        runs = frozenset[str]().union(*(x.runs for x in by_rewind.values() if x is not None))
        later = first is None or latest != first
        earlier = earliest != first or bool(first)
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
    children: dict[tuple[int, Place], dict[int, dict[Place, Estimate]]] = {}
    trained = evidence.rows(PAIRS, of)
    for row in [*trained, *evidence.failed_rows(PAIRS, of)]:
        children.setdefault((row["level"], (row["seed"], 0)), {}).setdefault(row["rewind"], {})
    for row in trained:
        if measured(row[INSTABILITY]):
            pairs = children[row["level"], (row["seed"], 0)][row["rewind"]]
            pairs[row["first"], row["second"]] = estimate(row, INSTABILITY)
    tried: dict[int, set[int]] = {}
    for (level, _), by_rewind in children.items():
        tried.setdefault(level, set()).update(by_rewind)
    return {
        place: {k: mean_of([*pairs.values()]) if pairs else None for k, pairs in by_rewind.items()}
        for place, by_rewind in children.items()
        if by_rewind.keys() == tried[place[0]]
    }


ESTIMATORS = (instability, stable_from, difference_at_last)
