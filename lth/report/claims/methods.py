"""Claims about methods to find a mask, judged on the rows of `lth at_init`: differences paired by seed, over seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

from lth.core.errors import LotteryError
from lth.core.tables import Row
from lth.report.claims import SEEDS, Judged, Verdict, decide
from lth.report.intervals import by_seed, t_interval
from lth.report.methods import ACCURACY, by_method
from lth.report.statistics import densities, percent

Values = dict[int, dict[int, float]]
"""Level -> seed -> what was measured."""
POINTS = " points"


def accuracies(methods: Mapping[str, Sequence[Row]], which: Mapping[str, Any]) -> Values:
    """Test accuracy at the end in percent, of the `method` and `arm` that `which` names; draws are averaged."""
    rows = methods.get(which["method"], [])
    return by_seed(rows, which["arm"], ACCURACY, lambda share: 100 * share) if rows else {}


def difference(methods: Mapping[str, Sequence[Row]], claim: Mapping[str, Any]) -> Values:
    """Points that `of` lies above `than`, by seed."""
    return _less(accuracies(methods, claim["of"]), accuracies(methods, claim["than"]))


def difference_of_effects(methods: Mapping[str, Sequence[Row]], claim: Mapping[str, Any]) -> Values:
    """Points that `arm` changes the method `of` by, less those that it changes the method `than` by, by seed."""
    effects = [
        _less(*(accuracies(methods, {"method": claim[side], "arm": arm}) for arm in (claim["arm"], "ticket")))
        for side in ("of", "than")
    ]
    return _less(*effects)


def _less(first: Values, second: Values) -> Values:
    pairs = {
        level: {seed: value - second[level][seed] for seed, value in seeds.items() if seed in second.get(level, {})}
        for level, seeds in first.items()
    }
    return {level: seeds for level, seeds in pairs.items() if seeds}


ESTIMATORS = {estimator.__name__: estimator for estimator in (difference, difference_of_effects)}


def judge_methods(claims: Mapping[str, Any], rows: Sequence[Row]) -> list[Judged]:
    """Each claim, judged on those of `rows` that are of its experiment, data and model.

    Raises LotteryError where there are none, or two settings of one method: they ask different questions.
    """
    keys = ("experiment", "data", "model")
    methods = by_method(row for row in rows if all(row[key] == claims[key] for key in keys))
    if not methods:
        raise LotteryError(f"no results of {claims['model']} on {claims['data']}; run {claims['command']}")
    for method, own in methods.items():
        settings = sorted({row["setting"] for row in own})
        if len(settings) > 1:
            named = ", ".join(settings)
            raise LotteryError(f"results of {len(settings)} settings ({named}) for {method}: name one's folder")
    asked = [{key: claims[key] for key in ("otherwise", "from", "to")} | claim for claim in claims["claim"]]
    return [_judge(claim, methods) for claim in asked]


def _judge(claim: Mapping[str, Any], methods: Mapping[str, Sequence[Row]]) -> Judged:
    about = (claim["name"], claim["text"], POINTS, None)
    density = {level: x for own in methods.values() for level, x in densities(own).items()}
    found = {
        level: t_interval(list(seeds.values()))
        for level, seeds in ESTIMATORS[claim["estimator"]](methods, claim).items()
        if level and claim["to"] <= 100 * density[level] <= claim["from"]
    }
    if not found:
        return Judged(*about, {}, "not measured", "not among what was trained at that density")
    verdicts = [decide(claim, interval) for interval in found.values()]
    worst: tuple[Verdict, ...] = ("not reproduced", "undecided", "reproduced")
    verdict = min(verdicts, key=worst.index)
    fewest = min(interval.n for interval in found.values())
    notes = [f"{fewest} of at least {SEEDS} seeds"] if fewest < SEEDS else []
    where: dict[str, list[str]] = {}
    for level, each in zip(found, verdicts, strict=True):
        where.setdefault(each, []).append(f"{percent(density[level])}%")
    if len(where) > 1:
        notes += [f"{each} at {', '.join(where[each])}" for each in worst if each in where]
    notes += [claim["otherwise"]] if verdict == "not reproduced" else []
    return Judged(*about, {density[level]: found[level] for level in sorted(found)}, verdict, "; ".join(notes))
