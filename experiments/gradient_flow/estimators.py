"""What the claims of Evci et al. 2022 compute of the tables that only `lth gradient_flow` writes."""

import math

from lth.core.tables import Row
from lth.report.claims.estimators import Which, estimator
from lth.report.claims.evidence import Evidence
from lth.report.claims.values import Estimate, Place, Values, derived, mean_of

FIRST = {"draw": 0}
"""The tables `updates` and `spectrum` are about the first run of an arm."""


@estimator(unit="points", signed=True, tables=("table",))
def ensemble_gain(evidence: Evidence, *, of: Which) -> Values:
    """Points that the ensemble of the runs of a row lies above their mean test accuracy; one value a mask.

    A row that averages failed runs with others is left out.
    """
    gains: dict[Place, float] = {}
    clean = [row for row in evidence.failed_rows("table", of) if row["seeds"] == evidence.trainings.trained(row)]
    for row in [*evidence.rows("table", of), *clean]:
        if row["ensemble_accuracy"] is not None:
            sides = (evidence.estimate(row, column) for column in ("ensemble_accuracy", "test_accuracy"))
            gains[row["seed"], 0] = derived(lambda ensemble, single: 100 * (ensemble - single), *sides) or 0.0
    return {evidence.trainings.last_level: gains}


@estimator(unit="%", scale="log increase", signed=True, tables=("updates",), serial=True)
def gradient_gain(evidence: Evidence, *, of: Which) -> Values:
    """Percent that the gradient norm is larger right after a mask update than before; a value for each update."""
    gains: dict[Place, float] = {}
    for row in evidence.rows("updates", of, FIRST):
        if row["before"] and row["after"]:
            percent = 100 * (row["after"] / row["before"] - 1)
            gains[row["seed"], row["iteration"]] = Estimate(percent, evidence.trainings.runs_of(row))
    return {evidence.trainings.last_level: gains}


@estimator(unit="times", tables=("spectrum",))
def most_negative_ratio(evidence: Evidence) -> Values:
    """How many times as large the most negative eigenvalue of the Hessian is after a mask update as before."""
    ends: dict[int, dict[str, Row]] = {}
    for row in evidence.rows("spectrum", {"kind": "smallest"}, FIRST):  # the outermost first
        ends.setdefault(row["seed"], {}).setdefault(row["moment"], row)
    ratios: dict[Place, float] = {
        (seed, 0): Estimate(after / before if after < 0 else 0.0, evidence.trainings.runs_of(moments["before"]))
        for seed, moments in ends.items()
        if {"before", "after"} <= moments.keys()
        if (before := moments["before"]["eigenvalue"]) < 0 and (after := moments["after"]["eigenvalue"]) is not None
    }
    return {evidence.trainings.last_level: ratios}


@estimator(unit="times", tables=("agreement",))
def disagreement_ratio(evidence: Evidence, *, of: Which, than: Which) -> Values:
    """How many times as many test examples two runs of `of` disagree on as two of `than`, in the mean over pairs.

    A run is in the pairs of all others, so the means of single runs depend on each other. The values of runs are
    therefore pseudo-values of the jackknife, which leaves out one run of both sides at a time: their mean is the ratio,
    and their t interval that of a mean over pairs. A mask with a failed run is left out where its rows were compared
    with that run.
    """
    values: dict[Place, float] = {}
    firsts, seconds = _by_seed(evidence, of), _by_seed(evidence, than)
    for seed in firsts.keys() & seconds.keys():
        first, second = firsts[seed], seconds[seed]
        if min(*first.values(), *second.values()) > 0:
            ratio = derived(lambda x, y: x / y, mean_of([*first.values()]), mean_of([*second.values()]))
            assert ratio is not None
            if evidence.by_run and first.keys() == second.keys() and len(first) > 2:
                for run, value in _pseudo_values(first, second).items():
                    values[seed, run] = Estimate(value, first[run].runs | second[run].runs, error=ratio.error)
            else:
                values[seed, 0] = ratio
    return {evidence.trainings.last_level: values}


def _by_seed(evidence: Evidence, which: Which) -> dict[int, dict[int, Estimate]]:
    """Seed -> run -> how much it disagrees with the row's others, of seeds whose runs were compared with none that
    failed."""
    rows = evidence.rows("agreement", which)
    failed = {row["seed"] for row in evidence.failed_rows("agreement", which)}
    by_seed: dict[int, dict[int, Estimate]] = {}
    for row in rows:
        if row["seed"] not in failed and row["disagreement"] is not None:
            by_seed.setdefault(row["seed"], {})[row["draw"]] = evidence.estimate(row, "disagreement")
    return by_seed


def _pseudo_values(first: dict[int, Estimate], second: dict[int, Estimate]) -> dict[int, float]:
    """Run -> pseudo-value of the ratio of mean disagreements, on the logarithmic scale."""
    n = len(first)
    ratios = {left: math.log(_over_pairs(first, left) / _over_pairs(second, left)) for left in (None, *first)}
    return {run: math.exp(n * ratios[None] - (n - 1) * ratios[run]) for run in first}


def _over_pairs(disagreements: dict[int, Estimate], left_out: int | None) -> float:
    """The mean over pairs of runs, without the pairs of one run; `disagreements` are means over the others of each."""
    n, total = len(disagreements), math.fsum(disagreements.values())
    if left_out is None:
        return total / n
    return (n - 1) * (total / 2 - disagreements[left_out]) / math.comb(n - 1, 2)
