"""Estimators: each computes from the evidence the values that a claim bounds, for each level and each unit.

An estimator is a decorated function of the evidence and of keyword arguments, which a claim gives by name. It takes no
mean over seeds and no interval: that is the judge's part, for all estimators alike. Where `of` and `than` select rows
of a table, their values are paired by level, seed and run. Accuracies and other shares are 0..1 in the tables, and
percent or points here.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from inspect import Parameter, signature
from operator import sub
from typing import Any

from lth.analysis.line import barrier
from lth.core.errors import SettingError
from lth.core.registry import Registry
from lth.report.claims.evidence import CURVES, RESULTS, Evidence
from lth.report.claims.values import Combine, Estimate, Place, Values, derived, estimate, geometric_mean, paired, scaled
from lth.report.compared import compared_column, measures_in, metric_in
from lth.report.statistics import STOP
from lth.report.units import examples_of

Which = Mapping[str, Any]
"""Column -> value: selects the rows that have these values."""
Compute = Callable[..., Values]
"""What is decorated: a function of the evidence and of a claim's arguments; its values are in the estimator's unit."""


@dataclass(frozen=True)
class Estimator:
    """Computes a claim's values.

    unit: of the values. scale: one of SCALES, on which they are averaged. signed: whether a value is a difference or a
    change, which is shown with its sign. tables: the tables that it reads besides the one that its argument `table`
    names. serial: whether the values within a seed are successive measurements of one run, which depend on each other.
    with_failed: whether trainings that failed have values too. over_levels: whether a value is about all levels
    together; it stands at the last.
    """

    name: str
    compute: Compute
    unit: str
    scale: str = "linear"
    signed: bool = False
    tables: tuple[str, ...] = ()
    serial: bool = False
    with_failed: bool = False
    over_levels: bool = False

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Name -> parameter of every argument that a claim may give."""
        _, *parameters = signature(self.compute).parameters.values()
        return {parameter.name: parameter for parameter in parameters}

    @property
    def meaning(self) -> str:
        """The first line of its docstring."""
        return (self.compute.__doc__ or "").split("\n")[0]


def estimator(
    unit: str,
    scale: str = "",
    *,
    signed: bool = False,
    tables: tuple[str, ...] = (),
    serial: bool = False,
    with_failed: bool = False,
    over_levels: bool = False,
) -> Callable[[Compute], Estimator]:
    """Makes an `Estimator` of a function, for the tuple `estimators` of an `Experiment` or a claim's `module:name`.

    scale: `log` for the unit `times`, else `linear`, where it is not given.

    >>> @estimator(unit="nats")
    ... def final_loss(evidence, *, of):
    ...     return evidence.values("results", "final_val_loss", of)
    >>> final_loss.unit, list(final_loss.parameters)
    ('nats', ['of'])
    """
    scale = scale or ("log" if unit == "times" else "linear")
    how = (unit, scale, signed, tables, serial, with_failed, over_levels)
    return lambda compute: Estimator(compute.__name__, compute, *how)


@estimator(unit="%")
def value(evidence: Evidence, *, column: str, of: Which, table: str = RESULTS) -> Values:
    """The share in `column` itself, in percent."""
    return scaled(evidence.values(table, column, of), 100)


@estimator(unit="points", signed=True)
def difference(evidence: Evidence, *, column: str, of: Which, than: Which, table: str = RESULTS) -> Values:
    """Points that the share in `column` is higher in `of` than in `than`."""
    return scaled(compared(evidence, table, column, of, than, sub), 100)


@estimator(unit="points", signed=True)
def difference_of_effects(
    evidence: Evidence, *, column: str, of: Which, than: Which, effect: Which, without: Which, table: str = RESULTS
) -> Values:
    """Points that a change raises the share in `column` by in `of`, less those that it raises it by in `than`.

    effect: selects the rows with the change; without: those without it.
    """
    first, second = (
        compared(evidence, table, column, {**side, **effect}, {**side, **without}, sub) for side in (of, than)
    )
    return scaled(paired(first, second, sub), 100)


@estimator(unit="times")
def ratio(evidence: Evidence, *, column: str, of: Which, than: Which, table: str = RESULTS) -> Values:
    """How many times as large `column` is in `of` as in `than`; infinite where it is 0 in `than`."""
    return compared(evidence, table, column, of, than, lambda x, y: x / y if y else math.inf, geometric_mean)


@estimator(unit="%", signed=True)
def improvement(evidence: Evidence, *, of: Which, than: Which, column: str = "") -> Values:
    """Percent that a test metric is better in `of` than in `than`, by the metric's own direction.

    column: of the results; empty: that which verdicts compare.
    """
    rows = evidence.tables.get(RESULTS, ())
    column = column or compared_column(rows)
    metric = next((x for x in measures_in(rows).metrics if column.endswith(f"_{x.name}")), metric_in(rows))

    def better(x: float, y: float) -> float:
        return 100 * metric.sign * (x - y) / abs(y) if y else math.copysign(math.inf, metric.sign * (x - y))

    return compared(evidence, RESULTS, column, of, than, better)


@estimator(unit="%", scale="log reduction", signed=True)
def earlier_stop(evidence: Evidence, *, of: Which, than: Which) -> Values:
    """Percent that the early stop of `of` comes before that of `than`: 100 (1 - ratio of iterations)."""
    return _compared_stops(evidence, of, than, lambda x, y: 100 * (1 - x / y))


@estimator(unit="times")
def speedup(evidence: Evidence, *, of: Which, than: Which) -> Values:
    """How many times as many iterations `than` needs to its early stop as `of`."""
    return _compared_stops(evidence, of, than, lambda x, y: y / x)


def _compared_stops(evidence: Evidence, of: Which, than: Which, combine: Combine) -> Values:
    """Of early stops, draws averaged as logarithms."""
    return compared(evidence, RESULTS, STOP, of, than, combine, geometric_mean)


@estimator(unit="times", tables=(CURVES,))
def early_gradient_ratio(evidence: Evidence, *, of: Which, than: Which, until: float) -> Values:
    """How many times as large the gradient norm of `of` is as that of `than`, early in training.

    The ratio of geometric means over the observed iterations up to the share `until` of the training. The untrained
    network is left out, since the runs of one initialisation have it in common.
    """
    curves: dict[str, list[tuple[int, float]]] = {}
    for row in evidence.rows(CURVES, {}):
        if row["grad_norm"] and row["iteration"] > 0:
            curves.setdefault(row["run"], []).append((row["iteration"], math.log(row["grad_norm"])))
    rows = [
        row | {"log_norm": statistics.fmean(norms)}
        for row in evidence.tables[RESULTS]
        if (norms := [norm for at, norm in curves.get(row["run"], ()) if at <= until * (row["iterations"] or 0)])
    ]
    early = replace(evidence, tables={**evidence.tables, RESULTS: rows})
    return compared(early, RESULTS, "log_norm", of, than, lambda x, y: math.exp(x - y))


@estimator(unit="points", signed=True)
def error_barrier(evidence: Evidence, *, of: Which, table: str = "lines") -> Values:
    """Points that the error on the straight line between two networks rises above the line between its ends."""
    lines: dict[tuple[int, Place], dict[float, Estimate]] = {}
    rows = evidence.rows(table, of)
    examples = examples_of({"final_test_accuracy": row["accuracy"]} for row in rows)
    for row in rows:
        at = evidence.trainings.level_of(row), (row["seed"], row["draw"])
        on, runs = examples if row["split"] == "test" else None, evidence.trainings.runs_of(row)
        lines.setdefault(at, {})[row["alpha"]] = Estimate.of_test_set(row["accuracy"], on, runs=runs)
    values: Values = {}
    for (level, place), line in lines.items():
        rise = derived(partial(_barrier, tuple(line)), *line.values())
        values.setdefault(level, {})[place] = rise or Estimate(0.0)
    return values


def _barrier(alphas: Sequence[float], *accuracies: float) -> float:
    return 100 * barrier(alphas, [1 - accuracy for accuracy in accuracies])


def _checked(thing: object, name: str) -> Estimator:
    if not isinstance(thing, Estimator):
        raise SettingError("estimator", name, "is not decorated with @estimator")
    return thing


ESTIMATORS: Registry[Estimator] = Registry("estimator", "lth.estimators", make=_checked)
"""The estimators that serve every experiment."""
for _estimator in (
    value,
    difference,
    difference_of_effects,
    improvement,
    ratio,
    earlier_stop,
    speedup,
    early_gradient_ratio,
    error_barrier,
):
    ESTIMATORS.add(_estimator.name, _estimator)


def compared(
    evidence: Evidence,
    table: str,
    column: str,
    of: Which,
    than: Which,
    combine: Combine,
    mean: Callable[[Sequence[float]], float] = statistics.fmean,
) -> Values:
    """`combine` of the values of `column` in `of` and in `than`, of the same level, seed and run.

    A `than` that names its level is paired with every level of `of`; one that names its draw, with every run of the
    seed, as a fixed reference that is no sample of its own. mean: averages draws, where they are averaged.
    """
    first, second = (evidence.values(table, column, side, mean) for side in (of, than))
    if "level" in than:
        second = dict.fromkeys(first, second.get(than["level"], {}))
    if "draw" in than and evidence.by_run:
        second = {level: _for_each(here, second.get(level, {})) for level, here in first.items()}
    return paired(first, second, combine)


def _for_each(places: Iterable[Place], references: Mapping[Place, float]) -> dict[Place, float]:
    """The one reference of the seed at each of `places`, without its trainings."""
    by_seed = {seed: estimate(value).of_runs(frozenset()) for (seed, _), value in references.items()}
    return {(seed, run): by_seed[seed] for seed, run in places if seed in by_seed}
