"""What a verdict calls matching and fast: settings, which no training depends on. Imports no torch."""

from dataclasses import dataclass

from lth.core.checked import check
from lth.core.setting import setting


@dataclass
class Criteria:
    """The margins of verdicts.

    margin: a ticket matches the dense network if its test accuracy is at most so many points lower; 0.2 is the bound of
    Frankle et al. 2020. Of a metric that is no share of examples it is percent of the dense networks' mean. slower: a
    ticket is fast if its early stop comes before so many times the dense network's. Raises SettingError for a value out
    of range.

    >>> str(Criteria())
    'within 0.2 points, 1.1 times'
    """

    margin: float = setting(0.2, "matching: points (else %) worse than dense, at most", low=0, high=100)
    slower: float = setting(1.1, "fast: times dense's early stop, at most", above=0, high=1000)

    def __post_init__(self) -> None:
        check(self, "report.")

    def __str__(self) -> str:
        return self.of(share=True)

    def of(self, share: bool) -> str:
        """The margins in words, of a metric that is a share of examples or another."""
        return f"within {self.margin:g}{' points' if share else '%'}, {self.slower:g} times"
