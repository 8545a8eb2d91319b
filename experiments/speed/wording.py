"""Numbers of `lth speed` as text."""

from collections.abc import Sequence


def spread(ratios: Sequence[float]) -> str:
    """The least and the most of sorted `ratios`, or the only one.

    >>> spread([0.211, 0.3]), spread([0.211])
    ('0.21 to 0.30', '0.21')
    """
    ends = dict.fromkeys(f"{ratio:.{2 if ratio < 10 else 1}f}" for ratio in (ratios[0], ratios[-1]))
    return " to ".join(ends)


def three_digits(value: float) -> str:
    """A positive number to three digits, a large one to whole numbers.

    >>> three_digits(0.28312), three_digits(1146.6)
    ('0.283', '1,147')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
