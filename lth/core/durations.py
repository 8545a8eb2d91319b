"""Durations of training, in iterations or epochs. Imports no torch."""

import re
from typing import TYPE_CHECKING

from lth.core.errors import SettingError

PATTERN = re.compile(r"(?:([0-9]{1,20})ep)?(?:([0-9]{1,20})(?:it)?)?")
LONGEST = 10**9
"""The iterations or epochs that a duration may have."""

Duration = str | int
"""`500it`, `2ep`, `2ep50it`, or a number of iterations."""

if TYPE_CHECKING:
    Iterations = int
else:
    Iterations = Duration
"""A duration in settings, and a number once `in_iterations` has resolved it: code that trains sees only numbers."""


def iterations_of(duration: Duration, per_epoch: int, key: str = "duration") -> int:
    """The iterations of a duration: `500it`, `2ep`, `2ep50it`, or a bare number of iterations.

    per_epoch: iterations of an epoch. Raises SettingError naming `key` for anything else.

    >>> iterations_of("2ep50it", per_epoch=100)
    250
    """
    epochs, iterations = parts_of(duration, key)
    return epochs * per_epoch + iterations


def parts_of(duration: Duration, key: str = "duration") -> tuple[int, int]:
    """(epochs, iterations) of a duration. Raises SettingError naming `key` for what is none.

    >>> parts_of("2ep50it")
    (2, 50)
    """
    match = PATTERN.fullmatch(str(duration).strip())
    if not match or match.group() == "":
        raise SettingError(key, duration, "must be a duration such as 500it, 2ep, 2ep50it or 500")
    epochs, iterations = (int(group or 0) for group in match.groups())
    if max(epochs, iterations) > LONGEST:
        raise SettingError(key, duration, f"must be at most {LONGEST} iterations or epochs")
    return epochs, iterations
