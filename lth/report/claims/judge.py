"""The judge of claims: turns an estimator's values into intervals, and intervals into verdicts and notes."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lth.core.errors import LotteryError
from lth.core.registry import nearest
from lth.report.claims.estimators import ESTIMATORS, SCALES, Estimator
from lth.report.claims.evidence import Evidence
from lth.report.claims.files import Claim, Claims
from lth.report.conditions import SEEDS
from lth.report.intervals import Interval, t_interval
from lth.report.statistics import STOP, percent

Verdict = Literal["reproduced", "not reproduced", "undecided", "not measured"]
WORST: tuple[Verdict, ...] = ("not reproduced", "undecided", "reproduced")
"""The verdict on a claim about several densities is the first of these that one of them has."""
NEAR = 0.02
"""A level is at a claim's density where they differ by at most this share of it: the papers' labels are rounded."""


@dataclass(frozen=True)
class Measured:
    """What was measured at one density (0..1): the interval, what its n values are ("seeds"), and the verdict."""

    density: float
    interval: Interval
    units: str
    verdict: Verdict


@dataclass(frozen=True)
class Judged:
    """A claim, what was measured at each of its densities, the densest first, and what comes of it.

    unit: of the values; signed: whether they are differences, whose sign matters. notes: what is to be said besides.
    """

    claim: Claim
    unit: str
    signed: bool
    measured: tuple[Measured, ...]
    verdict: Verdict
    notes: tuple[str, ...]

    @property
    def decisive(self) -> Measured | None:
        """The densest level that has the claim's verdict; None where nothing was measured."""
        return next((level for level in self.measured if level.verdict == self.verdict), None)


def estimators_of(claims: Claims, more: Mapping[str, Estimator]) -> list[Estimator]:
    """The estimator of each claim, one of `more`, of ESTIMATORS, or `package.module:name`; its arguments are checked.

    Raises LotteryError naming the file and the claim where there is none, or it does not take the claim's arguments.
    """
    return [_estimator_of(claim, f"{claims.path}, claim {claim.name}: ", more) for claim in claims.claims]


def _estimator_of(claim: Claim, where: str, more: Mapping[str, Estimator]) -> Estimator:
    name = claim.estimator
    if name not in more and name not in ESTIMATORS and ":" not in name:
        raise LotteryError(f"{where}there is no estimator {name}; {nearest(name, [*more, *ESTIMATORS])}")
    estimator = more[name] if name in more else ESTIMATORS.get(name, "estimator")
    parameters = estimator.parameters
    if unknown := sorted(claim.arguments.keys() - parameters.keys()):
        raise LotteryError(f"{where}{name} has no argument {', '.join(unknown)}; {nearest(unknown[0], parameters)}")
    needed = {key for key, parameter in parameters.items() if parameter.default is parameter.empty}
    if missing := sorted(needed - claim.arguments.keys()):
        raise LotteryError(f"{where}{name} needs the argument {', '.join(missing)}")
    return estimator


def tables_of(claims: Claims, more: Mapping[str, Estimator]) -> list[str]:
    """The tables that the claims' estimators read."""
    pairs = zip(claims.claims, estimators_of(claims, more), strict=True)
    tables = [[*estimator.tables, *_table(claim, estimator)] for claim, estimator in pairs]
    return list(dict.fromkeys(table for some in tables for table in some))


def _table(claim: Claim, estimator: Estimator) -> list[str]:
    parameter = estimator.parameters.get("table")
    return [] if parameter is None else [claim.arguments.get("table", parameter.default)]


def judge(claims: Claims, evidence: Evidence, more: Mapping[str, Estimator] | None = None) -> list[Judged]:
    """Each of `claims`, judged on `evidence`; `more`: the estimators of its experiment, by name."""
    pairs = zip(claims.claims, estimators_of(claims, more or {}), strict=True)
    return [_judge(claims, claim, estimator, evidence.about(claim)) for claim, estimator in pairs]


def _judge(claims: Claims, claim: Claim, estimator: Estimator, evidence: Evidence) -> Judged:
    def unmeasured(note: str) -> Judged:
        return Judged(claim, estimator.unit, estimator.signed, (), "not measured", (note,))

    longest = evidence.longest()
    if longest < claim.iterations:
        return unmeasured(f"needs {claim.iterations:,} iterations; the trainings have {longest:,}")
    values = {
        level: units for level, units in estimator.compute(evidence, **claim.arguments).items() if level and units
    }
    if not values:
        return unmeasured("not among what was trained")
    densities = evidence.densities()
    levels = sorted(level for level in values if is_about(claim, 100 * densities[level]))
    if not levels:
        return unmeasured("no level has that density")
    measured = tuple(_measure(claims, claim, estimator, densities[level], values[level]) for level in levels)
    verdict = min((level.verdict for level in measured), key=WORST.index)
    notes = [*_about_units(claims, measured), *_about_densities(measured), *_about_paper(claim, measured)]
    notes += _about_censoring(claim, estimator, evidence, levels)
    notes += [claim.otherwise] if claim.otherwise and verdict == "not reproduced" else []
    return Judged(claim, estimator.unit, estimator.signed, measured, verdict, tuple(notes))


def is_about(claim: Claim, density: float) -> bool:
    """Whether `claim` is about `density`, in percent of the weights."""
    if claim.densities:
        return any(abs(density - near) <= NEAR * near for near in claim.densities)
    return claim.sparsest <= density <= claim.densest


def _measure(
    claims: Claims, claim: Claim, estimator: Estimator, density: float, units: Mapping[tuple[int, int], float]
) -> Measured:
    """The interval over seeds, or where there are too few over the runs within the first, and its verdict."""
    scale = SCALES[estimator.scale]
    by_seed: dict[int, list[float]] = {}
    for (seed, _), value in sorted(units.items()):
        by_seed.setdefault(seed, []).append(_forward(claim, scale.forward, value))
    within = claim.within and len(by_seed) < SEEDS
    values = by_seed[min(by_seed)] if within else [statistics.fmean(runs) for runs in by_seed.values()]
    interval = shown(t_interval(values), scale.back)
    return Measured(density, interval, claim.within if within else f"{claims.unit}s", decide(claim, interval))


def _forward(claim: Claim, forward: Callable[[float], float], value: float) -> float:
    try:
        return forward(value)
    except ValueError:
        raise LotteryError(f"claim {claim.name}: the value {value:g} has no logarithm") from None


def shown(interval: Interval, back: Callable[[float], float]) -> Interval:
    """`interval` on the scale that `back` leads to; one that falls swaps the bounds."""
    mapped = interval.map(back)
    if mapped.low is not None and mapped.high is not None and mapped.low > mapped.high:
        return replace(mapped, low=mapped.high, high=mapped.low)
    return mapped


def decide(claim: Claim, interval: Interval) -> Verdict:
    """Whether all of `interval` lies within the claim's bounds, or all of it beyond one of them."""
    low, high = interval.low, interval.high
    if interval.n < SEEDS or low is None or high is None:
        return "undecided"
    if low >= claim.at_least and high <= claim.at_most:
        return "reproduced"
    return "not reproduced" if high < claim.at_least or low > claim.at_most else "undecided"


def _about_units(claims: Claims, measured: Sequence[Measured]) -> Iterable[str]:
    """How many values there are, where they are fewer than needed or no seeds."""
    fewest = min(measured, key=lambda level: level.interval.n)
    if fewest.interval.n < SEEDS:
        yield f"{fewest.interval.n} of at least {SEEDS} {claims.unit}s"
    elif fewest.units != "seeds":
        yield f"over {fewest.interval.n} {fewest.units}"


def _about_densities(measured: Sequence[Measured]) -> Iterable[str]:
    """Which densities have which verdict, where they differ."""
    where = {verdict: [level for level in measured if level.verdict == verdict] for verdict in WORST}
    parts = [(verdict, levels) for verdict, levels in where.items() if levels]
    if len(parts) > 1:
        for verdict, levels in parts:
            yield f"{verdict} at {', '.join(f'{percent(level.density)}%' for level in levels)}"


def _about_paper(claim: Claim, measured: Sequence[Measured]) -> Iterable[str]:
    """Whether the paper's value lies in the interval of the one density that the claim is about."""
    low, high = measured[0].interval.low, measured[0].interval.high
    if claim.paper is not None and low is not None and high is not None and len(measured) == 1:
        yield f"the paper's value lies {'in' if low <= claim.paper <= high else 'outside'} the interval"


def _about_censoring(claim: Claim, estimator: Estimator, evidence: Evidence, levels: Sequence[int]) -> Iterable[str]:
    """Which early stops are censored since training ended first, and what that makes of the value."""
    if claim.arguments.get("column", estimator.column) != STOP:
        return
    counts = {side: evidence.censored(claim.arguments.get(side, {}), levels) for side in ("of", "than")}
    sides = [side for side in counts if counts[side]]
    if sides:
        stops = " and ".join(f"{count} early stops of {arm}" for side in sides for arm, count in counts[side].items())
        bound = "a lower bound" if sides == [estimator.rises_with] else "an upper bound"
        value = "may be too low or too high" if len(sides) > 1 else f"is {bound}"
        yield f"{stops} are cut off by the end of training: the value {value}"
