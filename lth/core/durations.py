"""Durations of training, in iterations or epochs. Imports no torch."""

import re
from typing import TYPE_CHECKING

from lth.core.errors import SettingError

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
    match = re.fullmatch(r"(?:(\d+)ep)?(?:(\d+)(?:it)?)?", str(duration).strip())
    if not match or match.group() == "":
        raise SettingError(key, duration, "must be a duration such as 500it, 2ep, 2ep50it or 500")
    epochs, iterations = (int(group or 0) for group in match.groups())
    return epochs * per_epoch + iterations
