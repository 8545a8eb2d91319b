"""P-values adjusted for their number."""

from collections.abc import Sequence

ALPHA = 0.05
"""Of two-sided tests: a 95% interval beyond a bound has a p below it."""


def holm(p: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number by Holm's step-down method (1979, Scand. J. Stat. 6).

    >>> [round(x, 3) for x in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=lambda place: p[place])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[place]))
        adjusted[place] = largest
    return adjusted
