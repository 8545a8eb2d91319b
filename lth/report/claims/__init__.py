"""A paper's claims against what was measured. Claims are data: an estimator by name, its arguments and its bounds.

No expression is evaluated and no measured number is written by hand: `lth claims PAPER` computes every one from the
results of this program's own runs.
"""

import math
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lth.core.errors import LotteryError, SettingError
from lth.core.tables import Row
from lth.report.intervals import (
    Interval,
    against_dense,
    by_seed,
    censored_seeds,
    log_ratio_to_dense,
    paired,
    t_interval,
)
from lth.report.statistics import densities

Verdict = Literal["reproduced", "not reproduced", "undecided", "not measured"]
SEEDS = 3
"""Fewer decide nothing."""
NEAR = 0.02
"""A level is at a claim's density where they differ by at most this share of it: labels are rounded."""
ACCURACY, FINAL, STOP = "early_stop_test_accuracy", "final_test_accuracy", "early_stop_iteration"

Estimate = dict[int, Interval]
"""Level -> what was measured there, in the claim's unit."""


def accuracy_over_dense(rows: Sequence[Row], claim: Mapping[str, Any]) -> Estimate:
    """Points of test accuracy at the early stop of `arm` above the dense network of the same seed."""
    return _points(against_dense(rows, claim.get("arm", "ticket"), ACCURACY))


def final_accuracy_over_dense(rows: Sequence[Row], claim: Mapping[str, Any]) -> Estimate:
    """The same at the end of training."""
    return _points(against_dense(rows, claim.get("arm", "ticket"), FINAL))


def accuracy_over_control(rows: Sequence[Row], claim: Mapping[str, Any]) -> Estimate:
    """Points of test accuracy at the early stop of the ticket above `control`, by seed."""
    return _points(paired(rows, "ticket", claim["control"], ACCURACY))


def earlier_than_dense(rows: Sequence[Row], claim: Mapping[str, Any]) -> Estimate:
    """Percent that the early stop comes before the dense network's: 100 (1 - ratio), a geometric mean over seeds."""
    return {
        level: Interval(_percent(x.mean), _percent(x.high), _percent(x.low), x.n)  # a falling map swaps the bounds
        for level, (_, x) in log_ratio_to_dense(rows, claim.get("arm", "ticket")).items()
    }


def times_faster_than_control(rows: Sequence[Row], claim: Mapping[str, Any]) -> Estimate:
    """The early stop of `control` over the ticket's, a geometric mean over seeds."""
    ticket, control = (
        by_seed(rows, arm, STOP, lambda x: math.log(max(x, 1.0))) for arm in ("ticket", claim["control"])
    )
    return {
        level: t_interval([seeds[seed] - ticket[level][seed] for seed in seeds if seed in ticket[level]]).map(math.exp)
        for level, seeds in control.items()
        if seeds.keys() & ticket.get(level, {}).keys()
    }


def _points(found: Mapping[int, tuple[float, Interval]]) -> Estimate:
    return {level: interval.map(lambda x: 100 * x) for level, (_, interval) in found.items()}


def _percent(logarithm: float | None) -> Any:
    return None if logarithm is None else 100 * (1 - math.exp(logarithm))


ESTIMATORS: dict[str, Callable[[Sequence[Row], Mapping[str, Any]], Estimate]] = {
    estimator.__name__: estimator
    for estimator in (
        accuracy_over_dense,
        final_accuracy_over_dense,
        accuracy_over_control,
        earlier_than_dense,
        times_faster_than_control,
    )
}


UNITS = {"earlier_than_dense": "%", "times_faster_than_control": " times"}
"""What an estimator measures in; points of accuracy where it is not named."""


@dataclass(frozen=True)
class Judged:
    """A claim and what came of it: measured by level with its density, the verdict, and what is to be said of it.

    difference: whether what was measured is one between two ways, or a change, so that its sign matters.
    """

    name: str
    text: str
    unit: str
    paper: float | None
    measured: dict[float, Interval]
    verdict: Verdict
    note: str
    difference: bool = True


def papers() -> list[str]:
    """The papers whose claims are here."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.toml"))


def load_claims(paper: str) -> dict[str, Any]:
    """The claims of `paper`; SettingError for a paper that there is not."""
    path = Path(__file__).with_name(f"{paper}.toml")
    if paper not in papers():
        raise SettingError("paper", paper, f"has no claims here; known: {', '.join(papers())}")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def judge(paper: str, rows: Sequence[Row]) -> list[Judged]:
    """Each claim of `paper`, judged on `rows`: those of its data and model, one setting for each schedule.

    Raises LotteryError where there are none, or two settings of one schedule: they ask different questions.
    """
    claims = load_claims(paper)
    chosen: dict[str, list[Row]] = {}
    for row in rows:
        if row["data"] == claims["data"] and row["model"] == claims["model"]:
            chosen.setdefault(row["schedule"], []).append(row)
    if not chosen:
        raise LotteryError(f"no results of {claims['model']} on {claims['data']}; run lth imp paper={paper}/lenet")
    for schedule, found in chosen.items():
        settings = sorted({row["setting"] for row in found})
        if len(settings) > 1:
            raise LotteryError(
                f"results of {len(settings)} settings ({', '.join(settings)}) for {schedule}: name one's folder"
            )
    asked = [{"otherwise": claims["otherwise"]} | claim for claim in claims["claim"]]
    return [_judge(claim, chosen.get(claim.get("schedule", "iterative"), [])) for claim in asked]


def _judge(claim: Mapping[str, Any], rows: Sequence[Row]) -> Judged:
    longest = max((row["iterations"] for row in rows), default=0)
    about = (claim["name"], claim["text"], UNITS.get(claim["estimator"], " points"), claim.get("paper"))
    if longest < claim.get("iterations", 0):
        return Judged(*about, {}, "not measured", f"needs {claim['iterations']:,} iterations, there are {longest:,}")
    by_level = densities(rows)
    levels = [level for level, density in by_level.items() if level and _asked(claim, 100 * density)]
    found = {level: x for level, x in ESTIMATORS[claim["estimator"]](rows, claim).items() if level in levels}
    if not found:
        return Judged(*about, {}, "not measured", "no level at that density")
    measured = {by_level[level]: found[level] for level in sorted(found)}
    verdicts = {decide(claim, interval) for interval in found.values()}
    verdict: Verdict = (
        "not reproduced" if "not reproduced" in verdicts else "undecided" if "undecided" in verdicts else "reproduced"
    )
    notes = [*_notes(claim, rows, found), *([claim["otherwise"]] if verdict == "not reproduced" else [])]
    return Judged(*about, measured, verdict, "; ".join(notes))


def _asked(claim: Mapping[str, Any], percent: float) -> bool:
    if "densities" in claim:
        return any(abs(percent - density) <= NEAR * density for density in claim["densities"])
    return bool(claim["to"] <= percent <= claim["from"])


def decide(claim: Mapping[str, Any], interval: Interval) -> Verdict:
    """Whether all of `interval` lies within the claim's bounds, or all of it beyond one of them."""
    low, high = interval.low, interval.high
    least, most = claim.get("at_least", -math.inf), claim.get("at_most", math.inf)
    if interval.n < SEEDS or low is None or high is None:
        return "undecided"
    if low >= least and high <= most:
        return "reproduced"
    return "not reproduced" if high < least or low > most else "undecided"


def about_paper(claim: Mapping[str, Any], interval: Interval) -> list[str]:
    """Whether the paper's value lies in `interval`, in words; nothing where either is not there."""
    paper, low, high = claim.get("paper"), interval.low, interval.high
    if paper is None or low is None or high is None:
        return []
    return [f"the paper's value lies {'in' if low <= paper <= high else 'outside'} the interval"]


def _notes(claim: Mapping[str, Any], rows: Sequence[Row], found: Estimate) -> Iterable[str]:
    seeds = min(interval.n for interval in found.values())
    if seeds < SEEDS:
        yield f"{seeds} of at least {SEEDS} seeds"
    if len(found) == 1:
        yield from about_paper(claim, *found.values())
    if claim["estimator"] in ("earlier_than_dense", "times_faster_than_control"):
        censored = censored_seeds(rows)
        arms = {claim.get("arm", "ticket"), claim.get("control", "ticket")}
        cut = {arm: max(censored.get((level, arm), 0) for level in found) for arm in sorted(arms)}
        for arm, count in cut.items():
            if count:
                bound = "a lower bound" if arm == claim.get("control") else "an upper bound"
                yield f"{count} early stops of {arm} are cut off by the end of training: the value is {bound}"
