"""What a verdict calls matching and fast: settings, which no training depends on. Imports no torch."""

from dataclasses import dataclass

from lth.core.checked import check
from lth.core.setting import setting


@dataclass
class Criteria:
    """The margins of verdicts.

    margin: a ticket matches the dense network if its test accuracy is at most so many points lower; 0.2 is the bound of
    Frankle et al. 2020. slower: a ticket is fast if its early stop comes before so many times the dense network's.
    Raises SettingError for a value out of range.

    >>> str(Criteria())
    'within 0.2 points, 1.1 times'
    """

    margin: float = setting(0.2, "matching: points below dense, at most", low=0, high=100)
    slower: float = setting(1.1, "fast: times dense's early stop, at most", above=0, high=1000)

    def __post_init__(self) -> None:
        check(self, "report.")

    def __str__(self) -> str:
        return f"within {self.margin:g} points, {self.slower:g} times"
