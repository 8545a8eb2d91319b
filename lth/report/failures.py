"""Trainings that failed, and the exact interval of the failure rate, which stands beside every mean of the others.

A training failed if its loss became NaN or infinite, or if it ended no better than always predicting one class.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lth.core.tables import Row
from lth.report.distributions import beta_quantile

STUCK = 3.0
"""A test accuracy within so many binomial standard errors of the share of the most frequent class is no better."""


@dataclass(frozen=True)
class Failures:
    """How many of `n` distinct trainings failed.

    >>> str(Failures(2, 5))
    '2 of 5 failed (5% to 85%)'
    """

    failed: int
    n: int

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """The exact interval of the failure rate, 0..1 (Clopper & Pearson 1934)."""
        k, n, tail = self.failed, self.n, (1 - confidence) / 2
        low = beta_quantile(tail, k, n - k + 1) if k else 0.0
        return low, beta_quantile(1 - tail, k + 1, n - k) if k < n else 1.0

    def __str__(self) -> str:
        if self.n < 2:
            return f"{self.failed} of {self.n} failed"
        low, high = self.interval()
        return f"{self.failed} of {self.n} failed ({100 * low:.0f}% to {100 * high:.0f}%)"


def failed(row: Row, chance: float | None = None) -> bool:
    """Whether the training of a row of results.csv failed.

    chance: the share of the test set's most frequent class (0..1), for rows that do not hold it.
    """
    share = chance if row.get("chance") is None else row["chance"]
    accuracy = row.get("final_test_accuracy")
    if row["status"] == "diverged" or share is None or accuracy is None:
        return bool(row["status"] == "diverged")
    examples = row.get("test_examples") or 10_000
    return bool(accuracy <= share + STUCK * math.sqrt(share * (1 - share) / examples))


def failures(rows: Iterable[Row], chance: float | None = None) -> Failures:
    """The failures among the distinct trainings of `rows`."""
    places = ("seed", "level", "arm", "draw")
    runs = {row.get("run") or tuple(row.get(x) for x in places): failed(row, chance) for row in rows}
    return Failures(sum(runs.values()), len(runs))


def in_no_mean(rates: Mapping[str, Failures]) -> list[str]:
    """A sentence about trainings that failed and are in no mean, by what they are called; none where none failed."""
    failing = [f"{name} {rate}" for name, rate in rates.items() if rate.failed]
    return [f"In no mean: {'; '.join(failing)}."] if failing else []
