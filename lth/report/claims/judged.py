"""A claim with what was measured of it, and what comes of that."""

from dataclasses import dataclass
from typing import Literal

from lth.report.claims.files import Claim
from lth.report.intervals import Interval
from lth.report.statistics import percent

Verdict = Literal["reproduced", "not reproduced", "undecided", "not measured"]
WORST: tuple[Verdict, ...] = ("not reproduced", "undecided", "reproduced")
"""The verdict on a claim about several densities is the first of these that one of them has."""


@dataclass(frozen=True)
class Measured:
    """What was measured at one density (0..1): the interval, what its n values are ("seeds"), and the verdict.

    seeds: how many replicates were measured. decides: whether the values are independent units, which decide.
    over_levels: whether the values are about all levels together, of which `density` is then the last one's.
    """

    density: float
    interval: Interval
    units: str
    verdict: Verdict
    seeds: int = 0
    decides: bool = True
    over_levels: bool = False

    @property
    def place(self) -> str:
        """What it was measured at: `21.0%`, a share of the weights, or `all levels`."""
        return "all levels" if self.over_levels else f"{percent(self.density)}%"

    @property
    def where(self) -> str:
        """`place` with its preposition."""
        return f"{'over' if self.over_levels else 'at'} {self.place}"


@dataclass(frozen=True)
class Judged:
    """A claim, what was measured at each of its densities, the densest first, and what comes of it.

    unit: of the values; signed: whether they are differences, whose sign matters. notes: what is to be said besides.
    """

    claim: Claim
    unit: str
    signed: bool
    measured: tuple[Measured, ...]
    verdict: Verdict
    notes: tuple[str, ...]

    @property
    def decisive(self) -> Measured | None:
        """The densest level that has the claim's verdict, else the sparsest; None where nothing was measured."""
        chosen = [level for level in self.measured if level.verdict == self.verdict] or self.measured[-1:]
        return chosen[0] if chosen else None
