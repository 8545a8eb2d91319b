"""The judge of claims: turns an estimator's values into intervals, and intervals into verdicts."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lth.core.errors import LotteryError
from lth.core.registry import nearest
from lth.core.shown import brief
from lth.report.claims.estimators import ESTIMATORS, Estimator
from lth.report.claims.evidence import RESULTS, Evidence
from lth.report.claims.files import Claim, Claims
from lth.report.claims.judged import WORST, Judged, Measured, Verdict
from lth.report.claims.kinds import fits, words
from lth.report.claims.notes import about_failures, notes
from lth.report.claims.scales import SCALES, Scale
from lth.report.claims.serial import block_means
from lth.report.claims.values import Estimate, Place, derived, interval_of, mean_of
from lth.report.conditions import SEEDS
from lth.report.holm import ALPHA, holm
from lth.report.intervals import DENSE, Interval, t_interval
from lth.report.statistics import percent

LAST_BITS = 1e-9
"""What rounding may change a bound by, which decides nothing."""
NEAR = 0.02
"""A level is at a claim's density where they differ by at most this share of it: the papers' labels are rounded."""


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
    for key, value in claim.arguments.items():
        if not fits(value, kind := parameters[key].annotation):
            raise LotteryError(f"{where}{key}={brief(value)}: must be {words(kind)}")
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
    def unmeasured(*notes: str) -> Judged:
        return Judged(claim, estimator.unit, estimator.signed, (), "not measured", notes)

    if not evidence.tables.get(RESULTS):
        return unmeasured("not among what was trained")
    longest = evidence.longest()
    if longest < claim.iterations:
        return unmeasured(f"needs {claim.iterations:,} iterations; the trainings have {longest:,}")
    of = claim.arguments.get("of")
    dense = isinstance(of, Mapping) and of.get("level") == DENSE  # else it is what levels are compared with
    computed = estimator.compute(evidence, **claim.arguments)
    values = {level: units for level, units in computed.items() if units and (level != DENSE or dense)}
    if not values:
        failures = about_failures(claim, evidence, evidence.densities())
        return unmeasured(*(list(failures) or ["not among what was trained"]))
    densities = evidence.densities()
    levels = sorted(level for level in values if is_about(claim, 100 * densities[level]))
    if not levels:
        return unmeasured("no level has that density")
    scale = SCALES[estimator.scale]
    sampled = [_sample(claims, claim, estimator, evidence, level, values[level]) for level in levels]
    samples = [sample for sample in sampled if sample]
    if len(samples) < len(levels):
        note = "a ratio is 0 or infinite, which has no logarithm"
        return Judged(claim, estimator.unit, estimator.signed, (), "undecided", (note,))
    measured = tuple(
        Measured(
            density=densities[level],
            interval=shown(sample.interval, scale),
            units=sample.units,
            verdict=verdict,
            seeds=sample.seeds,
            decides=sample.decides,
            over_levels=estimator.over_levels,
        )
        for level, sample, verdict in zip(levels, samples, _verdicts(claim, samples, scale), strict=True)
    )
    verdict = min((level.verdict for level in measured), key=WORST.index)
    missing = unreached(claim, [level.density for level in measured], densities.values())
    if missing and verdict == "reproduced":
        verdict = "undecided"
    judged = Judged(claim, estimator.unit, estimator.signed, measured, verdict, ())
    further = notes(claims, judged, evidence, levels, estimator.with_failed)
    return replace(judged, notes=(*([missing] if missing else []), *further))


def unreached(claim: Claim, measured: Sequence[float], every: Iterable[float]) -> str:
    """Which densities of `claim` were not measured, in words; empty where all were.

    A range is measured to its end where one more pruning as the last one would leave it. measured, every: densities
    0..1, those that were measured of what the claim is about and those of all levels.
    """
    if claim.densities:
        lacking = [x for x in claim.densities if not any(is_near(100 * y, x) for y in measured)]
        return f"not measured at {', '.join(f'{x:g}%' for x in lacking)}" if lacking else ""
    last = min(measured)
    step = last / min((x for x in every if x > last), default=1.0)
    ends = 100 * last * step < claim.sparsest or not claim.sparsest
    return "" if ends else f"measured down to {percent(last)}% only"


def is_about(claim: Claim, density: float) -> bool:
    """Whether `claim` is about `density`, in percent of the weights."""
    if claim.densities:
        return any(is_near(density, asked) for asked in claim.densities)
    return claim.sparsest <= density <= claim.densest


def is_near(density: float, asked: float) -> bool:
    """Whether a level of `density` is at the density that a claim names, both in percent."""
    return abs(density - asked) <= NEAR * asked


@dataclass(frozen=True)
class Sample:
    """The values at one level, on the scale of averages: their interval, and what its n values are."""

    interval: Interval
    units: str
    seeds: int
    decides: bool


def _sample(
    claims: Claims, claim: Claim, estimator: Estimator, evidence: Evidence, level: int, places: Mapping[Place, float]
) -> Sample | None:
    """The sample over seeds, or over runs; None for no logarithm.

    Over the runs of the first seed, where there are too few seeds; over those of all, where runs are as independent.
    """
    by_seed: dict[int, list[Estimate]] = {}
    for (seed, _), value in sorted(places.items()):
        if (scaled := _on_scale(SCALES[estimator.scale], value)) is None:
            return None
        by_seed.setdefault(seed, []).append(scaled)
    if claim.within and claim.independent:
        every = [value for values in by_seed.values() for value in values]
        return Sample(interval_of(every), claim.within, len(by_seed), True)
    if claim.within and len(by_seed) < SEEDS:
        within = by_seed[min(by_seed)]
        if estimator.serial:
            blocks = block_means(within)
            return Sample(t_interval(blocks), f"blocks of successive {claim.within}", len(by_seed), False)
        return Sample(interval_of(within), claim.within, len(by_seed), True)
    seeds = []
    for seed, runs in by_seed.items():
        average = mean_of(runs)
        seeds.append(average if average.runs else average.of_runs(evidence.replicate(seed, level)))
    return Sample(interval_of(seeds), f"{claims.unit}s", len(by_seed), True)


def _on_scale(scale: Scale, value: float) -> Estimate | None:
    try:
        scaled = derived(scale.forward, value)
    except ValueError:
        return None
    return scaled if scaled is not None and math.isfinite(scaled) else None


def shown(interval: Interval, scale: Scale) -> Interval:
    """`interval`, taken on `scale`, in the unit of the values; a scale that falls swaps the bounds."""
    mapped = interval.map(scale.back)
    return mapped if scale.rising else replace(mapped, low=mapped.high, high=mapped.low)


def decide(claim: Claim, interval: Interval) -> Verdict:
    """Whether all of `interval` lies within the claim's bounds, or all of it beyond one of them; see `within`."""
    if interval.n < SEEDS:
        return "undecided"
    if beyond(interval, claim.low, claim.high):
        return "not reproduced"
    return "reproduced" if within(interval, claim.low, claim.high) else "undecided"


def within(interval: Interval, lowest: float, highest: float) -> bool:
    """Whether all of `interval` lies within the bounds; a side that it leaves open lies within no finite one."""
    low = -math.inf if interval.low is None else interval.low + LAST_BITS
    high = math.inf if interval.high is None else interval.high - LAST_BITS
    return low >= lowest and high <= highest


def beyond(interval: Interval, lowest: float, highest: float) -> bool:
    """Whether all of `interval` lies beyond one of the bounds."""
    return (interval.high is not None and interval.high < lowest) or (
        interval.low is not None and interval.low > highest
    )


def _verdicts(claim: Claim, samples: Sequence[Sample], scale: Scale) -> list[Verdict]:
    """The verdict at each density.

    Reproduced needs no correction, since a claim is reproduced where all densities are (an intersection-union test).
    Not reproduced where one is not: p-values are adjusted for the number of densities by Holm's method.
    """
    lowest, highest = scale.bounds(claim.low, claim.high)
    p = holm([min(x.interval.p_above(highest), x.interval.p_below(lowest)) for x in samples])
    verdicts: list[Verdict] = []
    for sample, adjusted in zip(samples, p, strict=True):
        if not sample.decides or sample.interval.n < SEEDS:
            verdicts.append("undecided")
        elif adjusted < ALPHA:
            verdicts.append("not reproduced")
        else:
            verdicts.append("reproduced" if within(sample.interval, lowest, highest) else "undecided")
    return verdicts
