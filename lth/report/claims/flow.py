"""Claims about one sparse network trained in every way, judged on the tables of `lth gradient_flow`.

What is measured is taken by mask and by run: with three masks or more the mask is the unit, its runs averaged; with
fewer it is the run, and what is said is about that one mask.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lth.analysis.connectivity import barrier
from lth.core.errors import LotteryError
from lth.core.tables import Row
from lth.report.claims import SEEDS, Judged, about_paper, decide
from lth.report.flow import FILES
from lth.report.gather import gather
from lth.report.intervals import t_interval
from lth.report.reading import read_results, read_table
from lth.report.tables import CURVES

Tables = Mapping[str, Sequence[Row]]
"""The rows of one mask by the name of their table: results, curves, and those of `lth.report.flow.FILES`."""
Values = Mapping[int, float]
"""What was measured of each run, by its number."""


def select(rows: Sequence[Row], which: Mapping[str, Any]) -> list[Row]:
    """The rows whose columns have the values of `which`."""
    return [row for row in rows if all(row[column] == value for column, value in which.items())]


def column_of(tables: Tables, claim: Mapping[str, Any], which: Mapping[str, Any]) -> dict[int, float]:
    """A column of a table, by run, in the rows that `which` picks."""
    rows = select(tables[claim["table"]], which)
    return {row.get("draw", 0): row[claim["column"]] for row in rows if row[claim["column"]] is not None}


def value(tables: Tables, claim: Mapping[str, Any]) -> Values:
    """The column itself, a share in percent."""
    return {draw: 100 * x for draw, x in column_of(tables, claim, claim["of"]).items()}


def difference(tables: Tables, claim: Mapping[str, Any]) -> Values:
    """Points that the column is higher in `of` than in `than`, run by run, which share their data order."""
    first, second = (column_of(tables, claim, claim[side]) for side in ("of", "than"))
    return {draw: 100 * (first[draw] - second[draw]) for draw in first.keys() & second.keys()}


def ratio(tables: Tables, claim: Mapping[str, Any]) -> Values:
    """How many times as large the column is in `of` as in `than`, run by run."""
    first, second = (column_of(tables, claim, claim[side]) for side in ("of", "than"))
    return {draw: first[draw] / second[draw] for draw in first.keys() & second.keys() if second[draw]}


def ensemble_gain(tables: Tables, claim: Mapping[str, Any]) -> Values:
    """Points that the ensemble of the runs of a row is above their mean accuracy."""
    rows = [row for row in select(tables["table"], claim["of"]) if row["ensemble_accuracy"] is not None]
    return {number: 100 * (row["ensemble_accuracy"] - row["test_accuracy"]) for number, row in enumerate(rows)}


def early_gradient_ratio(tables: Tables, claim: Mapping[str, Any]) -> Values:
    """How many times as large the gradient norm of `of` is as that of `than`, over the early part of training.

    The ratio of geometric means over the iterations looked at up to the share `until` of the training, without the
    untrained network, which the runs of a row have in common.
    """
    last = claim["until"] * max(row["iterations"] for row in tables["results"])
    norms: dict[str, list[float]] = {}
    for row in tables["curves"]:
        if row["grad_norm"] and 0 < row["iteration"] <= last:
            norms.setdefault(row["run"], []).append(math.log(row["grad_norm"]))
    first, second = (
        {row["draw"]: statistics.fmean(norms[row["run"]]) for row in rows if row["run"] in norms}
        for rows in (select(tables["results"], claim[side]) for side in ("of", "than"))
    )
    return {draw: math.exp(first[draw] - second[draw]) for draw in first.keys() & second.keys()}


def error_barrier(tables: Tables, claim: Mapping[str, Any]) -> Values:
    """Points of test error that the line from a run's end to the pruned solution rises above its ends."""
    rows = select(tables["lines"], {"at": "end", "split": "test"} | claim["of"])
    found = {}
    for draw in dict.fromkeys(row["draw"] for row in rows):
        own = [row for row in rows if row["draw"] == draw]
        found[draw] = 100 * barrier([row["alpha"] for row in own], [1 - row["accuracy"] for row in own])
    return found


def signal_kept(tables: Tables, claim: Mapping[str, Any]) -> Values:
    """The spread of the logits at `sparsity` over that of the dense network, by draw of weights and mask."""
    stds = [
        {row["draw"]: row["std"] for row in select(tables["signal"], claim["of"] | {"sparsity": sparsity})}
        for sparsity in (claim["sparsity"], 0.0)
    ]
    return {draw: stds[0][draw] / stds[1][draw] for draw in stds[0].keys() & stds[1].keys()}


def gradient_gain(tables: Tables, claim: Mapping[str, Any]) -> Values:
    """Percent that the gradient norm is larger right after a change of the mask than before, by change in one run."""
    rows = select(tables["updates"], claim["of"])
    return {row["iteration"]: 100 * (row["after"] / row["before"] - 1) for row in rows if row["before"]}


def most_negative_ratio(tables: Tables, claim: Mapping[str, Any]) -> Values:
    """How many times as large the most negative eigenvalue is after a change of the mask as before."""
    ends = {row["moment"]: row["eigenvalue"] for row in reversed(tables["spectrum"]) if row["kind"] == "smallest"}
    return {0: ends["after"] / ends["before"]} if {"before", "after"} <= ends.keys() and ends["before"] < 0 else {}


TIMES, POINTS, PERCENT = " times", " points", "%"
ESTIMATORS: dict[str, tuple[Callable[[Tables, Mapping[str, Any]], Values], str]] = {
    estimator.__name__: (estimator, unit)
    for estimator, unit in (
        (value, PERCENT),
        (difference, POINTS),
        (ratio, TIMES),
        (ensemble_gain, POINTS),
        (early_gradient_ratio, TIMES),
        (error_barrier, POINTS),
        (signal_kept, TIMES),
        (gradient_gain, PERCENT),
        (most_negative_ratio, TIMES),
    )
}
"""Name -> estimator and the unit that it measures in."""


def tables_below(places: Sequence[Path], claims: Mapping[str, Any]) -> dict[int, Tables]:
    """The tables of each mask (seed) found in and below `places`: of its data and model, the latest job of a seed.

    Raises LotteryError where there are none, or of two settings: they ask different questions.
    """
    about = {key: claims[key] for key in ("experiment", "data", "model")}
    found: dict[int, Tables] = {}
    settings = set()
    for folder in gather(places).folders:
        if not (folder / "table.csv").exists():
            continue
        rows = select(read_results(folder / "results.csv"), about)
        if rows:
            settings.add(rows[0]["setting"])
            read = {"curves": CURVES.names, **FILES}.items()  # what is not there was not looked at
            paths = {folder / f"{name}.csv": (name, columns) for name, columns in read}
            looks = {
                name: read_table(path, columns, ()) if path.exists() else [] for path, (name, columns) in paths.items()
            }
            found[rows[0]["seed"]] = {"results": rows, **looks}
    if not found:
        raise LotteryError(f"no results of {claims['model']} on {claims['data']}; run {claims['command']}")
    if len(settings) > 1:
        raise LotteryError(f"results of {len(settings)} settings ({', '.join(sorted(settings))}): name one's folder")
    return found


def judge_flow(claims: Mapping[str, Any], masks: Mapping[int, Tables]) -> list[Judged]:
    """Each claim, judged on the tables of each mask."""
    return [_judge({"otherwise": claims["otherwise"]} | claim, masks) for claim in claims["claim"]]


def _judge(claim: Mapping[str, Any], masks: Mapping[int, Tables]) -> Judged:
    estimator, unit = ESTIMATORS[claim["estimator"]]
    about = (claim["name"], claim["text"], unit, claim.get("paper"))
    by_mask = {seed: list(estimator(tables, claim).values()) for seed, tables in sorted(masks.items())}
    by_mask = {seed: values for seed, values in by_mask.items() if values}
    if claim.get("per") == "mask":  # what the runs of a mask have in common is one value
        by_mask = {seed: [statistics.fmean(values)] for seed, values in by_mask.items()}
    if not by_mask:
        return Judged(*about, {}, "not measured", "not among what was trained")
    first = next(iter(by_mask))
    if len(by_mask) >= SEEDS:
        interval, over = t_interval([statistics.fmean(values) for values in by_mask.values()]), "masks"
    else:
        interval, over = t_interval(by_mask[first]), claim.get("over", "runs within one mask")
    density = select(masks[first]["results"], {"arm": "pruned"})[0]["density"]
    verdict = decide(claim, interval)
    notes = [f"over {interval.n} {over}" if interval.n >= SEEDS else f"{interval.n} of at least {SEEDS} masks"]
    notes += about_paper(claim, interval)
    notes += [claim["otherwise"]] if verdict == "not reproduced" else []
    return Judged(*about, {density: interval}, verdict, "; ".join(notes), estimator is not value)
