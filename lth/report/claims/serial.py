"""Successive measurements of one run, which depend on each other: their integrated autocorrelation, and block means."""

import math
from collections.abc import Sequence

import numpy as np

FEWEST = 3
"""Blocks that a series is cut into at least."""


def autocorrelation_time(values: Sequence[float]) -> float:
    """How many successive values tell as much as one independent value: 1 + 2 (sum of autocorrelations).

    The sum goes up to the first lag whose autocorrelation is not positive (Geyer 1992); 1 for independent values.

    >>> autocorrelation_time([1.0, -1.0, 1.0, -1.0])
    1.0
    """
    deviations = np.asarray(values, dtype=float) - np.mean(values)
    power, time = float(deviations @ deviations), 1.0
    for lag in range(1, len(deviations)):
        correlation = float(deviations[lag:] @ deviations[:-lag]) / power if power > 0 else 0.0
        if correlation <= 0:
            break
        time += 2 * correlation
    return time


def block_means(values: Sequence[float]) -> list[float]:
    """The means of blocks of successive values, as long as twice their autocorrelation time: nearly independent.

    Blocks differ by one value in length at most. There are `FEWEST` or more, or as many as there are values.

    >>> block_means([1.0, 3.0, 1.0, 3.0])
    [1.0, 3.0, 1.0, 3.0]
    """
    time = autocorrelation_time(values)
    length = 1 if time == 1 else math.ceil(2 * time)
    blocks = min(len(values), max(FEWEST, len(values) // length))
    return [float(np.mean(block)) for block in np.array_split(np.asarray(values, dtype=float), blocks)]
