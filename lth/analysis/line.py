"""Places on the straight line between two networks, and the barrier on it. Imports no torch."""

import math
from collections.abc import Sequence

from lth.core.errors import LotteryError

STABLE = 2.0
"""Points of error: two networks with less between them are linearly connected (Frankle et al. 2020, section 3)."""


def line(first: float = -0.2, last: float = 1.2, points: int = 29) -> tuple[float, ...]:
    """`points` evenly spaced places from `first` to `last`: -0.2, -0.15, ..., 1.2 in the code of Evci et al. 2022.

    Rounded to 12 digits, so that 0 and 1 are exactly the two networks.

    >>> line(0, 1, 5)
    (0.0, 0.25, 0.5, 0.75, 1.0)
    """
    steps = max(points - 1, 1)
    return tuple(round(first + (last - first) * number / steps, 12) + 0.0 for number in range(points))


def instability(alphas: Sequence[float], values: Sequence[float]) -> float:
    """The highest of `values` for alpha in [0, 1], less the mean of those at the two ends; in the values' unit.

    The linear interpolation instability of Frankle et al. 2020, section 2. As a maximum over `alphas` alone it is a
    lower bound. NaN where a value is NaN. Raises LotteryError where 0 or 1 is missing.

    >>> instability([0.0, 0.5, 1.0], [0.25, 1.0, 0.75])
    0.5
    """
    at = _with_ends(alphas, values)
    inside = [value for alpha, value in at.items() if 0 <= alpha <= 1]
    return math.nan if any(map(math.isnan, inside)) else max(inside) - (at[0.0] + at[1.0]) / 2


def barrier(alphas: Sequence[float], values: Sequence[float]) -> float:
    """The largest rise of `values` above the line between those at the two ends, for alpha in [0, 1]; at least 0.

    max over alpha of value(alpha) - ((1 - alpha) value(0) + alpha value(1)), in the values' unit (Entezari et al.
    2022). Frankle et al. 2020, section 2, subtract the mean of the ends instead, which is the same where the ends are
    equal. As a maximum over `alphas` alone it is a lower bound. NaN where a value is NaN. Raises LotteryError where 0
    or 1 is missing.

    >>> barrier([0.0, 0.5, 1.0], [0.2, 0.9, 0.4])
    0.6
    """
    at = _with_ends(alphas, values)
    inside = [value - ((1 - alpha) * at[0.0] + alpha * at[1.0]) for alpha, value in at.items() if 0 <= alpha <= 1]
    return math.nan if any(map(math.isnan, inside)) else max(0.0, *inside)


def _with_ends(alphas: Sequence[float], values: Sequence[float]) -> dict[float, float]:
    """Alpha -> value; LotteryError where those of the two networks are missing."""
    at = dict(zip(alphas, values, strict=True))
    if not {0.0, 1.0} <= set(at):
        raise LotteryError("a barrier needs the values of the two networks: alpha = 0 and alpha = 1")
    return at
