"""Scales on which values are averaged: ratios of positive quantities as logarithms."""

import math
from collections.abc import Callable
from typing import NamedTuple


class Scale(NamedTuple):
    """The scale on which values are averaged: an interval is taken of `forward(value)`, and shown by `back`."""

    forward: Callable[[float], float]
    back: Callable[[float], float]
    rising: bool = True

    def bounds(self, low: float, high: float) -> tuple[float, float]:
        """Bounds of values, as bounds on the scale; one that no value reaches is infinite.

        >>> SCALES["log"].bounds(0.0, 1.0)
        (-inf, 0.0)
        """
        ends = [self._end(low, -math.inf), self._end(high, math.inf)]
        return (ends[0], ends[1]) if self.rising else (ends[1], ends[0])

    def _end(self, bound: float, beyond: float) -> float:
        try:
            return self.forward(bound)
        except ValueError:
            return beyond if self.rising else -beyond


SCALES = {
    "linear": Scale(float, float),
    "log": Scale(math.log, math.exp),
    "log increase": Scale(lambda percent: math.log(1 + percent / 100), lambda log: 100 * (math.exp(log) - 1)),
    "log reduction": Scale(lambda percent: math.log(1 - percent / 100), lambda log: 100 * (1 - math.exp(log)), False),
}
"""`linear`: values as they are. The others are for ratios of positive quantities, which are averaged as logarithms, so
that no interval holds a negative ratio. `log`: the ratio itself; `log increase`: percent more; `log reduction`: percent
less."""
