"""What methods to find a mask show together, in words: which is most accurate, and which of their ablations hurt."""

import statistics
from collections.abc import Mapping, Sequence

from lth.core.tables import Row
from lth.report.intervals import Interval, t_interval
from lth.report.results import Results
from lth.report.statistics import binomial_error, densities, percent
from lth.report.verdict import SEEDS

from .methods import ABLATIONS, by_method, compared, mean_accuracy

WORDS = ("hurts", "helps", "is undecided for")


def effects(rows: Sequence[Row], arm: str) -> dict[str, list[float]]:
    """Method -> points of test accuracy that `arm` lies above the mask as it is, a value a seed.

    The mean over the levels compared, from 1 on, that a seed has both at.
    """
    found: dict[str, list[float]] = {}
    for method, own in by_method(compared(rows)).items():
        for seed in sorted({row["seed"] for row in own}):
            mine = [row for row in own if row["seed"] == seed and row["level"]]
            pairs = [
                [
                    mean_accuracy(row for row in mine if (row["level"], row["arm"]) == (level, name))
                    for name in (arm, "ticket")
                ]
                for level in sorted({row["level"] for row in mine})
            ]
            points = [100 * (ablated - whole) for ablated, whole in pairs if ablated is not None and whole is not None]
            if points:
                found.setdefault(method, []).append(statistics.fmean(points))
    return found


def effect_word(interval: Interval) -> str:
    """What an ablation does, one of WORDS: decided where the whole interval lies on one side of 0."""
    if interval.low is None or interval.high is None:
        return WORDS[2]
    return WORDS[0] if interval.high < 0 else WORDS[1] if interval.low > 0 else WORDS[2]


NEXT = "For a verdict run the same with -m seed=0,1,2, then lth report."


def answer(results: Results) -> list[str]:
    """How accurate the methods of one seed are, and what ablations change."""
    return [f"{sentence(results['results'], results.examples.get('test'))} {NEXT}"]


def sentence(rows: Sequence[Row], examples: int | None = None) -> str:
    """How accurate methods are at the sparsest level, and what ablations do; under three seeds without a verdict.

    examples: of the test set, whose binomial error one seed's differences are told with.
    """
    levels = {level: density for level, density in densities(compared(rows)).items() if level}
    if not levels:
        return "Nothing was pruned."
    seeds = len({row["seed"] for row in rows})
    parts = [_ranking(rows, max(levels), levels[max(levels)])]
    told = {word: effects(rows, arm) for arm, word in ABLATIONS.items()}
    if any(told.values()):
        where = ", ".join(percent(density) for density in levels.values())
        parts.append(f"What ablations change, in points on the mean over {where}% of the weights:")
        parts += [f"{_told(word.capitalize(), found, seeds)}." for word, found in told.items() if found]
    accuracy = mean_accuracy(row for row in rows if row["level"] and row["arm"] == "ticket")
    if examples and accuracy is not None:
        error = 100 * binomial_error(accuracy, accuracy, examples)
        parts.append(f"The binomial error of a difference on {examples:,} test examples is {error:.2f} points.")
    count = "One seed" if seeds == 1 else f"{seeds} seeds"
    parts.append(f"{count}: no verdict, that takes {SEEDS}." if seeds < SEEDS else f"n = {seeds} seeds.")
    return " ".join(parts)


def _ranking(rows: Sequence[Row], level: int, density: float) -> str:
    """The methods at `level`, the most accurate first, and the dense network."""

    def at(own: Sequence[Row], place: int) -> float | None:
        return mean_accuracy(row for row in own if (row["level"], row["arm"]) == (place, "ticket"))

    found = {method: accuracy for method, own in by_method(rows).items() if (accuracy := at(own, level)) is not None}
    ranked = sorted(found.items(), key=lambda item: -item[1])
    names = ", ".join(f"{method} {100 * accuracy:.2f}" for method, accuracy in ranked)
    dense = at(rows, 0)
    whole = f" (dense {100 * dense:.2f})" if dense is not None else ""
    return f"Test accuracy (%) at the end, with {percent(density)}% of the weights: {names}{whole}."


def _told(word: str, found: Mapping[str, list[float]], seeds: int) -> str:
    """What one ablation does to each method; from three seeds on sorted by what it does."""
    if seeds < SEEDS:
        return f"{word}: " + ", ".join(f"{method} {statistics.fmean(values):+.2f}" for method, values in found.items())
    sorted_by: dict[str, list[str]] = {}
    for method, values in found.items():
        interval = t_interval(values)
        bounds = f" [{interval.low:+.2f}, {interval.high:+.2f}]" if interval.low is not None else ""
        sorted_by.setdefault(effect_word(interval), []).append(f"{method} {interval.mean:+.2f}{bounds}")
    return f"{word} " + "; ".join(f"{x} {', '.join(sorted_by[x])}" for x in WORDS if x in sorted_by)
