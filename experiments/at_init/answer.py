"""What methods to find a mask show together, in words: which is most accurate, and which of their ablations hurt."""

import statistics
from collections.abc import Mapping, Sequence

from lth.core.tables import Row
from lth.report.conditions import SEEDS
from lth.report.intervals import Interval, t_interval
from lth.report.results import Results
from lth.report.statistics import binomial_error, densities, percent

from .methods import ABLATIONS, by_method, compared, mean_accuracy

WORDS = ("hurts", "helps", "is undecided for")


def effects(rows: Sequence[Row], arm: str) -> dict[str, list[float]]:
    """Method -> points of test accuracy that `arm` lies above the mask as it is, a value a seed.

    The mean over the levels compared, from 1 on, that a seed has both at.
    """
    by_seed: dict[str, list[float]] = {}
    for method, method_rows in by_method(compared(rows)).items():
        for seed in sorted({row["seed"] for row in method_rows}):
            seed_rows = [row for row in method_rows if row["seed"] == seed and row["level"]]
            pairs = [
                [
                    mean_accuracy(row for row in seed_rows if (row["level"], row["arm"]) == (level, name))
                    for name in (arm, "ticket")
                ]
                for level in sorted({row["level"] for row in seed_rows})
            ]
            points = [
                100 * (ablated - intact) for ablated, intact in pairs if ablated is not None and intact is not None
            ]
            if points:
                by_seed.setdefault(method, []).append(statistics.fmean(points))
    return by_seed


def effect_word(interval: Interval) -> str:
    """What an ablation does, one of WORDS: decided where the whole interval lies on one side of 0."""
    if interval.low is None or interval.high is None:
        return WORDS[2]
    return WORDS[0] if interval.high < 0 else WORDS[1] if interval.low > 0 else WORDS[2]


NEXT = "For a verdict run the same with -m seed=0,1,2, then lth report."


def answer(results: Results) -> list[str]:
    """How accurate the methods of one seed are, what ablations change, and the command for a verdict."""
    return [*paragraphs(results["results"], results.examples.get("test")), NEXT]


def paragraphs(rows: Sequence[Row], examples: int | None = None) -> list[str]:
    """How accurate methods are at the sparsest level; what ablations do; and whether that is a verdict.

    examples: of the test set, whose binomial error the differences of one seed are given with.
    """
    levels = {level: density for level, density in densities(compared(rows)).items() if level}
    if not levels:
        return ["Nothing was pruned."]
    seeds = len({row["seed"] for row in rows})
    parts = [_ranking(rows, max(levels), levels[max(levels)])]
    by_word = {word: effects(rows, arm) for arm, word in ABLATIONS.items()}
    if any(by_word.values()):
        where = ", ".join(percent(density) for density in levels.values())
        parts.append(f"Effects of the ablations on test accuracy, in points, averaged over {where}% of the weights:")
        parts += [f"{_effects_in_words(word.capitalize(), x, seeds)}." for word, x in by_word.items() if x]
    accuracy = mean_accuracy(row for row in rows if row["level"] and row["arm"] == "ticket")
    error = ""
    if examples and accuracy is not None:
        points = 100 * binomial_error(accuracy, accuracy, examples)
        error = f"The binomial error of a difference on {examples:,} test examples is {points:.2f} points. "
    count = "One seed" if seeds == 1 else f"{seeds} seeds"
    return [*parts, error + (f"{count}: no verdict, that takes {SEEDS}." if seeds < SEEDS else f"n = {seeds} seeds.")]


def _ranking(rows: Sequence[Row], level: int, density: float) -> str:
    """The methods at `level`, the most accurate first, and the dense network."""

    def at(rows: Sequence[Row], level: int) -> float | None:
        return mean_accuracy(row for row in rows if (row["level"], row["arm"]) == (level, "ticket"))

    accuracies = {method: at(method_rows, level) for method, method_rows in by_method(rows).items()}
    measured = [(accuracy, method) for method, accuracy in accuracies.items() if accuracy is not None]
    ranked = sorted(measured, key=lambda pair: -pair[0])
    names = ", ".join(f"{method} {100 * accuracy:.2f}" for accuracy, method in ranked)
    dense = at(rows, 0)
    beside = f" (dense {100 * dense:.2f})" if dense is not None else ""
    return f"Test accuracy (%) at the end, with {percent(density)}% of the weights: {names}{beside}."


def _effects_in_words(ablation: str, by_method: Mapping[str, list[float]], seeds: int) -> str:
    """What one ablation does to each method; from three seeds on sorted by what it does."""
    if seeds < SEEDS:
        means = (f"{method} {statistics.fmean(values):+.2f}" for method, values in by_method.items())
        return f"{ablation}: {', '.join(means)}"
    by_word: dict[str, list[str]] = {}
    for method, values in by_method.items():
        interval = t_interval(values)
        bounds = f" [{interval.low:+.2f}, {interval.high:+.2f}]" if interval.low is not None else ""
        by_word.setdefault(effect_word(interval), []).append(f"{method} {interval.mean:+.2f}{bounds}")
    return f"{ablation} " + "; ".join(f"{word} {', '.join(by_word[word])}" for word in WORDS if word in by_word)
