"""What the claims about stability compute of stability.csv and of the children's accuracies."""

import statistics
from collections.abc import Callable
from dataclasses import replace

from lth.analysis.line import STABLE
from lth.report.claims.estimators import Which, estimator
from lth.report.claims.evidence import RESULTS, Evidence
from lth.report.claims.values import Estimate, Place, Values, averaged, derived, paired
from lth.report.criteria import Criteria
from lth.report.statistics import measured

from .networks import ACCURACY, estimate, settled

PAIRS = "stability"


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
    stable at none, all of the training is a lower bound.
    """
    values: Values = {}
    tried, total = _tried(evidence, of), evidence.longest()
    for (level, place), stable in _by_rewind(evidence, of, _stable(of, below)).items():
        rewinds = tried[level]
        first = settled({k: bool(x) for k, x in stable.items()}, rewinds)
        share = 100 * (total if first is None else first) / total
        runs = frozenset[str]().union(*(x.runs for x in stable.values()))
        value = Estimate(share, runs, above=first is None, below=first is not None and first > min(rewinds))
        values.setdefault(level, {})[place] = value
    return values


@estimator(unit="%", tables=(PAIRS,))
def stable_where_matching(
    evidence: Evidence, *, of: Which, below: float = STABLE, margin: float = Criteria().margin
) -> Values:
    """Percent of the rewind points at which a network is both stable and matching, or neither.

    Matching: within `margin` points of the test accuracy of the dense network of the same seed and rewind point.
    """

    def agrees(evidence: Evidence) -> Values:
        stable = _stable(of, below)(evidence)
        accuracy, dense = (evidence.values(RESULTS, ACCURACY, x) for x in (of, {"arm": "ticket", "level": 0}))
        dense = dict.fromkeys(accuracy, dense.get(0, {}))
        matching = paired(accuracy, dense, lambda x, y: float(100 * (x - y) >= -margin))
        return paired(stable, matching, lambda x, y: float(x == y))

    return {
        level: {place: _share(list(by_rewind.values())) for place, by_rewind in here.items()}
        for level, here in _by_level(_by_rewind(evidence, of, agrees)).items()
    }


def _share(values: list[Estimate]) -> Estimate:
    share = derived(lambda *each: 100 * statistics.fmean(each), *(Estimate(float(x), x.runs) for x in values))
    assert share is not None
    return share


def _stable(of: Which, below: float) -> Callable[[Evidence], Values]:
    """What gives 1 where the mean over the pairs of a seed is stable, and 0 where it is not."""

    def stable(evidence: Evidence) -> Values:
        means = instability.compute(replace(evidence, by_run=False), of=of)
        return {
            level: {place: Estimate(float(x < below), x.runs) for place, x in here.items() if isinstance(x, Estimate)}
            for level, here in means.items()
        }

    return stable


def _tried(evidence: Evidence, of: Which) -> dict[int, list[int]]:
    """Level -> the rewind points at which a seed tried it, also where its children failed; tickets have fewer."""
    tried: dict[int, set[int]] = {}
    for row in [*evidence.rows(PAIRS, of), *evidence.failed_rows(PAIRS, of)]:
        tried.setdefault(row["level"], set()).add(row["rewind"])
    return {level: sorted(rewinds) for level, rewinds in tried.items()}


def _by_rewind(
    evidence: Evidence, of: Which, compute: Callable[[Evidence], Values]
) -> dict[tuple[int, Place], dict[int, Estimate]]:
    """(level, place) -> rewind point -> what `compute` gives of the evidence from there; all seeds that were run."""
    values: dict[tuple[int, Place], dict[int, Estimate]] = {}
    for row in [*evidence.rows(PAIRS, of), *evidence.failed_rows(PAIRS, of)]:
        values[row["level"], (row["seed"], 0)] = {}
    for k in sorted({k for rewinds in _tried(evidence, of).values() for k in rewinds}):
        tables = {name: [row for row in rows if row.get("rewind", k) == k] for name, rows in evidence.tables.items()}
        for level, here in compute(replace(evidence, tables=tables)).items():
            for place, value in here.items():
                values[level, place][k] = value if isinstance(value, Estimate) else Estimate(value)
    return values


def _by_level(
    values: dict[tuple[int, Place], dict[int, Estimate]],
) -> dict[int, dict[Place, dict[int, Estimate]]]:
    by_level: dict[int, dict[Place, dict[int, Estimate]]] = {}
    for (level, place), by_rewind in values.items():
        if by_rewind:
            by_level.setdefault(level, {})[place] = by_rewind
    return by_level


ESTIMATORS = (instability, stable_from, stable_where_matching)
