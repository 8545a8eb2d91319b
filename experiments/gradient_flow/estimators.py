"""What the claims of Evci et al. 2022 compute of the tables that only `lth gradient_flow` writes."""

from lth.report.claims.estimators import Which, estimator
from lth.report.claims.evidence import Evidence, Values


@estimator(unit="points", signed=True, tables=("table",))
def ensemble_gain(evidence: Evidence, *, of: Which) -> Values:
    """Points that the ensemble of the runs of a row lies above their mean test accuracy; one value a mask."""
    rows = [row for row in evidence.rows("table", of) if row["ensemble_accuracy"] is not None]
    gains = {(row["seed"], 0): 100 * (row["ensemble_accuracy"] - row["test_accuracy"]) for row in rows}
    return {evidence.last_level: gains}


@estimator(unit="%", signed=True, tables=("updates",))
def gradient_gain(evidence: Evidence, *, of: Which) -> Values:
    """Percent that the gradient norm is larger right after a mask update than before; a value for each update."""
    rows = [row for row in evidence.rows("updates", of) if row["before"] and row["after"] is not None]
    gains = {(row["seed"], row["iteration"]): 100 * (row["after"] / row["before"] - 1) for row in rows}
    return {evidence.last_level: gains}


@estimator(unit="times", tables=("spectrum",))
def most_negative_ratio(evidence: Evidence) -> Values:
    """How many times as large the most negative eigenvalue of the Hessian is after a mask update as before."""
    ends: dict[int, dict[str, float]] = {}
    for row in evidence.rows("spectrum", {"kind": "smallest"}):  # the outermost first
        ends.setdefault(row["seed"], {}).setdefault(row["moment"], row["eigenvalue"])
    ratios = {
        (seed, 0): moments["after"] / moments["before"]
        for seed, moments in ends.items()
        if {"before", "after"} <= moments.keys() and moments["before"] < 0
    }
    return {evidence.last_level: ratios}
