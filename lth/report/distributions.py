"""The distributions that intervals and tests take: scipy's special functions, since scipy.stats takes long to import.

Each has the bits that scipy.stats gives. scipy is imported at the first call: results of one seed may need none.
"""

from functools import cache
from typing import Any


@cache
def _special() -> Any:
    from scipy import special  # type: ignore[import-untyped,unused-ignore]  # scipy has no types of its own

    return special


def student_quantile(probability: float, degrees: int) -> float:
    """The quantile of Student's t distribution.

    >>> round(student_quantile(0.975, 4), 3)
    2.776
    """
    return float(_special().stdtrit(degrees, probability))


def student_above(value: float, degrees: int) -> float:
    """The probability that Student's t lies above `value`."""
    return float(_special().stdtr(degrees, -value))


def normal_quantile(probability: float) -> float:
    """The quantile of the standard normal distribution.

    >>> round(normal_quantile(0.975), 3)
    1.96
    """
    return float(_special().ndtri(probability))


def normal_above(value: float) -> float:
    """The probability that a standard normal variable lies above `value`."""
    return float(_special().ndtr(-value))


def beta_quantile(probability: float, a: float, b: float) -> float:
    """The quantile of the beta distribution of the parameters `a` and `b`."""
    return float(_special().betaincinv(a, b, probability))


def sign_test(first: int, second: int) -> float:
    """The two-sided p of `first` heads and `second` tails of a fair coin, exactly; 1 of none.

    >>> sign_test(0, 5)
    0.0625
    """
    return min(1.0, 2 * float(_special().bdtr(min(first, second), first + second, 0.5))) if first + second else 1.0
