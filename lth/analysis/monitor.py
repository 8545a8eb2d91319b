"""How a measurement that takes a while says how far it is."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lth.training.run_spec import Progress  # torch

Monitor = Callable[[str, int], "Progress"]
"""Takes what is measured and how many steps that takes; returns what to call with the number of steps done."""


def unmonitored(what: str, steps: int) -> "Progress":
    """A monitor that shows nothing."""
    return lambda done: None


def shifted(progress: "Progress", before: int) -> "Progress":
    """`progress` for a part of a measurement that has `before` steps in front of it."""
    return lambda done: progress(before + done)
