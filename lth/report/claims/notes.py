"""What is to be said of a judged claim besides its verdict: of units, densities, the paper's value, and failures."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from lth.report.claims.evidence import RESULTS, Evidence
from lth.report.claims.files import Claim, Claims
from lth.report.claims.judged import WORST, Judged, Measured
from lth.report.conditions import SEEDS
from lth.report.headline import shared


def notes(
    claims: Claims, judged: Judged, evidence: Evidence, levels: Sequence[int], with_failed: bool = False
) -> Iterator[str]:
    """The notes on a claim that was measured at `levels`; with_failed: trainings that failed are among the values."""
    claim, measured = judged.claim, judged.measured
    yield from _about_units(claims, measured)
    if common := shared(evidence.tables.get(RESULTS, ())):
        yield f"{common[0].lower()}{common[1:].removesuffix('.')}"
    yield from _about_densities(measured)
    yield from _about_paper(claim, measured)
    if not with_failed:
        yield from about_failures(claim, evidence, levels)
    yield from _about_censoring(claim, measured, evidence, levels)
    if claim.otherwise and judged.verdict == "not reproduced":
        yield claim.otherwise


def _about_units(claims: Claims, measured: Sequence[Measured]) -> Iterator[str]:
    """How many values there are, where they are fewer than needed or no seeds, and how many seeds are one training."""
    fewest = min(measured, key=lambda level: level.interval.n)
    n, over_seeds = fewest.interval.n, fewest.units == f"{claims.unit}s"
    if not fewest.decides:
        yield f"over {n} {fewest.units}; {fewest.seeds} of at least {SEEDS} {claims.unit}s"
    elif n < SEEDS:
        yield f"{n} of at least {SEEDS} {claims.unit}s"
    elif fewest.units != "seeds":
        yield f"over {n} {fewest.units}"
    if over_seeds and n < fewest.seeds:
        yield f"{fewest.seeds} {claims.unit}s are {n} distinct training{'s' if n > 1 else ''}"


def _about_densities(measured: Sequence[Measured]) -> Iterator[str]:
    """Which densities have which verdict, where they differ."""
    where = {verdict: [level for level in measured if level.verdict == verdict] for verdict in WORST}
    parts = [(verdict, levels) for verdict, levels in where.items() if levels]
    if len(parts) > 1:
        for verdict, levels in parts:
            yield f"{verdict} at {', '.join(level.place for level in levels)}"


def _about_paper(claim: Claim, measured: Sequence[Measured]) -> Iterator[str]:
    """Whether the paper's value lies in the interval of the one density that the claim is about."""
    low, high = measured[0].interval.low, measured[0].interval.high
    if claim.paper is not None and low is not None and high is not None and len(measured) == 1:
        yield f"the paper's value lies {'in' if low <= claim.paper <= high else 'outside'} the interval"


def about_failures(claim: Claim, evidence: Evidence, levels: Iterable[int]) -> Iterator[str]:
    """The failure rate of each side, where trainings failed: what is compared are those that train."""
    sides = {_name(side, evidence): evidence.trainings.failures(side, levels) for side in claim.sides}
    if any(trainings.failed for trainings in sides.values()):
        rates = "; ".join(f"of {name} {trainings}" for name, trainings in sides.items() if trainings.n)
        yield f"{rates}: compared are those that train"


def _about_censoring(
    claim: Claim, measured: Sequence[Measured], evidence: Evidence, levels: Iterable[int]
) -> Iterator[str]:
    """Which early stops, or values, are bounds, and what that makes of the value."""
    below = any(level.interval.low is None for level in measured if level.interval.n > 1)
    above = any(level.interval.high is None for level in measured if level.interval.n > 1)
    if below or above:
        counts = [evidence.censored(side, levels) for side in claim.sides]
        stops = [f"{count} early stops of {arm}" for side in counts for arm, count in side.items()]
        bound = "may be too low or too high" if below and above else f"is {'an upper' if below else 'a lower'} bound"
        cut = f"{' and '.join(stops)} are cut off by the end of training" if stops else "some values are bounds"
        yield f"{cut}: the value {bound}"


def _name(side: Mapping[str, Any], evidence: Evidence) -> str:
    """A selection of rows in words: `reinit`, `snip_at_init ticket`, `lr ticket`, `the dense network`."""
    if side.get("level") == 0:
        return "the dense network"
    arm = evidence.trainings.arm_of(side)
    return " ".join(str(name) for name in (side.get("schedule"), side.get("iterate"), arm) if name)
