"""What methods to find a mask show together, in words: which is most accurate, and which of their ablations hurt."""

import statistics
from collections.abc import Mapping, Sequence

from lth.core.tables import Row
from lth.report.claims.evidence import RESULTS, Evidence
from lth.report.claims.values import Estimate, interval_of, mean_of, paired
from lth.report.conditions import SEEDS
from lth.report.failures import failures, in_no_mean
from lth.report.holm import ALPHA, holm
from lth.report.intervals import Interval
from lth.report.results import Results
from lth.report.statistics import arms_of, binomial_error, densities, percent
from lth.report.units import distinct_seeds

from .methods import ABLATIONS, ACCURACY, by_method, compared, mean_accuracy

WORDS = ("hurts", "helps", "is undecided for")


def effects(rows: Sequence[Row], arm: str) -> dict[str, list[Estimate]]:
    """Method -> points of test accuracy that `arm` lies above the mask as it is, a value a seed, of what trained.

    The mean over the levels compared, from 1 on, that a seed has both at.
    """
    by_seed: dict[str, list[Estimate]] = {}
    for method, method_rows in by_method(compared(rows)).items():
        evidence = Evidence({RESULTS: [row for row in method_rows if row["level"]]})
        ablated, intact = (evidence.values(RESULTS, ACCURACY, {"arm": name}) for name in (arm, "ticket"))
        seeds: dict[int, list[float]] = {}
        for places in paired(ablated, intact, lambda x, y: 100 * (x - y)).values():
            for (seed, _), points in places.items():
                seeds.setdefault(seed, []).append(points)
        if seeds:
            by_seed[method] = [mean_of(points) for _, points in sorted(seeds.items())]
    return by_seed


def effect_words(intervals: Mapping[str, Interval]) -> dict[str, str]:
    """Method -> what an ablation does to it, one of WORDS.

    Decided where the whole interval lies on one side of 0, after Holm's correction for the number of methods.
    """
    p = holm([x.p_zero if x.n >= SEEDS else 1.0 for x in intervals.values()])
    adjusted = dict(zip(intervals, p, strict=True))
    return {
        method: WORDS[2] if adjusted[method] > ALPHA else WORDS[0] if interval.mean < 0 else WORDS[1]
        for method, interval in intervals.items()
    }


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
    last = [row for row in rows if row["level"] == max(levels) and row["arm"] == "ticket"]
    seeds = max(distinct_seeds(method_rows) for method_rows in by_method(last).values())
    parts = [_ranking(rows, max(levels), levels[max(levels)])]
    by_word = {word: effects(rows, arm) for arm, word in ABLATIONS.items()}
    if any(by_word.values()):
        where = ", ".join(percent(density) for density in levels.values())
        corrected = ", each corrected for the number of methods" if seeds >= SEEDS else ""
        parts.append(
            f"Effects of the ablations on test accuracy, in points, averaged over {where}% of the weights{corrected}:"
        )
        parts += [f"{_effects_in_words(word.capitalize(), x, seeds)}." for word, x in by_word.items() if x]
    parts += _failures(rows)
    accuracy = mean_accuracy(row for row in rows if row["level"] and row["arm"] == "ticket")
    error = ""
    if examples and accuracy is not None:
        points = 100 * binomial_error(accuracy, accuracy, examples)
        error = f"The binomial error of a difference on {examples:,} test examples is {points:.2f} points. "
    count = "One seed" if seeds == 1 else f"{seeds} seeds"
    return [*parts, error + (f"{count}: no verdict, that takes {SEEDS}." if seeds < SEEDS else f"n = {seeds} seeds.")]


def _failures(rows: Sequence[Row]) -> list[str]:
    """Which methods and arms have trainings that failed, and how many."""
    rates = {
        f"{method} {arm}": failures(row for row in method_rows if row["arm"] == arm)
        for method, method_rows in by_method([row for row in rows if row["level"]]).items()
        for arm in arms_of(method_rows)
    }
    return in_no_mean(rates)


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


def _effects_in_words(ablation: str, by_method: Mapping[str, Sequence[Estimate]], seeds: int) -> str:
    """What one ablation does to each method; from three seeds on sorted by what it does."""
    if seeds < SEEDS:
        means = (f"{method} {statistics.fmean(values):+.2f}" for method, values in by_method.items())
        return f"{ablation}: {', '.join(means)}"
    intervals = {method: interval_of(values) for method, values in by_method.items()}
    by_word: dict[str, list[str]] = {}
    for method, word in effect_words(intervals).items():
        x = intervals[method]
        bounds = "" if x.low is None or x.high is None else f" [{x.low:+.2f}, {x.high:+.2f}]"
        by_word.setdefault(word, []).append(f"{method} {x.mean:+.2f}{bounds}")
    return f"{ablation} " + "; ".join(f"{word} {', '.join(by_word[word])}" for word in WORDS if word in by_word)
