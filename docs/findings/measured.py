"""What was measured, as `lth claims` measures it: the same estimators, units, intervals and failures. And as text."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from findings.pages import REFERENCE
from lth.commands.claims import declared, load_claims
from lth.core.tables import Row
from lth.report.claims.evidence import Evidence
from lth.report.claims.files import Claim, Claims
from lth.report.claims.judge import judge, tables_of
from lth.report.claims.judged import Judged
from lth.report.claims.reading import read_evidence
from lth.report.failures import Failures
from lth.report.intervals import Interval
from lth.report.sheet import MINUS, bracketed

FEW = 3
"""So many of those that no interval tells from zero are named."""


@dataclass(frozen=True)
class Measured:
    """The results in the files `places` of outputs/reference, read as `claims` say."""

    claims: Claims
    places: tuple[Path, ...]

    @classmethod
    def of_paper(cls, name: str, *places: str) -> "Measured":
        """The results of a paper, those of all its jobs or of some `places` within its folder."""
        return cls(load_claims(name), tuple(REFERENCE / name / place for place in places or (".",)))

    @cached_property
    def evidence(self) -> Evidence:
        """The rows of every table that the claims need."""
        estimators, tables = declared(self.claims.experiment)
        return read_evidence(self.places, self.claims, tables_of(self.claims, estimators), tables)

    @property
    def results(self) -> Sequence[Row]:
        """The rows of results.csv."""
        return self.evidence.tables["results"]

    def judged(self, estimator: str, density: float | None = None, **arguments: Any) -> Judged:
        """What an estimator measures with these arguments and claim's keys, at a density in percent, or everywhere."""
        keys = {"densities": (density,)} if density else {}
        keys |= {key: arguments.pop(key) for key in ("at_least", "at_most", "within", "where") if key in arguments}
        bounds = {} if {"at_least", "at_most"} & keys.keys() else {"at_least": 0.0}
        claim = Claim("finding", "", estimator, arguments, **keys | bounds)
        (judged,) = judge(replace(self.claims, claims=(claim,)), self.evidence, declared(self.claims.experiment)[0])
        return judged

    def interval(self, estimator: str, density: float | None = None, **arguments: Any) -> Interval:
        """The 95% interval of `judged`, at one density."""
        (level,) = self.judged(estimator, density, **arguments).measured
        return level.interval

    def failures(self, which: Mapping[str, Any], levels: Iterable[int] | None = None) -> Failures:
        """How many of the trainings failed that `which` selects."""
        return self.evidence.trainings.failures(which, levels or {row["level"] for row in self.results})


def number(value: float, digits: int = 2, signed: bool = False) -> str:
    """`value` with so many decimals.

    >>> number(1234.0, 1), number(0.266, signed=True)
    ('1,234.0', '+0.27')
    """
    return f"{value:{'+' if signed else ''},.{digits}f}".replace("-", MINUS)


def points(interval: Interval) -> str:
    """A difference in points, and half of its interval: `+0.27 ±0.40`."""
    return number(interval.mean, signed=True) + _half(interval)


def percent(interval: Interval) -> str:
    """A share in percent, and half of its interval: `97.61 ±0.17%`."""
    return f"{number(interval.mean)}{_half(interval)}%"


def _half(interval: Interval) -> str:
    return "" if interval.high is None else f" ±{number(interval.high - interval.mean)}"


def times(interval: Interval) -> str:
    """A ratio and its interval: `0.43 [0.40, 0.46]`, `2.10 [1.20, ∞)` where it is open; two digits of a small one."""
    return bracketed(*("" if x is None else ratio(x) for x in (interval.mean, interval.low, interval.high)))


def ratio(value: float) -> str:
    """A ratio, to two digits where it is small.

    >>> ratio(0.00054), ratio(17.62)
    ('0.00054', '17.62')
    """
    return f"{value:.2g}" if abs(value) < 0.01 else f"{value:.2f}"


def told(changes: Mapping[str, Interval]) -> str:
    """Which of some changes are told from zero by their intervals, in a sentence.

    >>> told({"a": Interval(1.0, 0.5, 1.5, 3), "b": Interval(0.0, -1.0, 1.0, 3)})
    'A gain for a; b is not told from zero.'
    """
    losses = [name for name, x in changes.items() if x.high is not None and x.high < 0]
    gains = [name for name, x in changes.items() if x.low is not None and x.low > 0]
    rest = [name for name in changes if name not in (*losses, *gains)]
    alike = {
        "All of these are losses.": losses,
        "All of these are gains.": gains,
        "None of these is told from zero.": rest,
    }
    for words, names in alike.items():
        if len(names) == len(changes):
            return words
    parts = [f"a {word} for {listed(names)}" for word, names in (("gain", gains), ("loss", losses)) if names]
    others = "the others" if len(rest) > FEW else listed(rest)
    parts += [f"{others} {'are' if len(rest) > 1 else 'is'} not told from zero"] if rest else []
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, or `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def runs(rows: Iterable[Row]) -> dict[str, Row]:
    """The distinct trainings in `rows`, by run."""
    return {row["run"]: row for row in rows}


def seconds(rows: Iterable[Row]) -> str:
    """The time that the distinct trainings in `rows` took, in all."""
    return f"{sum(row['seconds'] for row in runs(rows).values()):,.0f} s"


TWO_CORES = "two at a time, one thread each, on 2 cores of an AMD EPYC that had other work to do"
"""How trainings were run."""


def trained(rows: Sequence[Row], how: str = TWO_CORES) -> str:
    """How many distinct trainings `rows` hold, how long they are, what they took, and `how` they were run."""
    lengths = {row["iterations"] - (row["rewind"] or 0) for row in rows}
    long = " to ".join(f"{length:,}" for length in sorted({min(lengths), max(lengths)}))
    return f"{len(runs(rows))} trainings of {long} iterations that took {seconds(rows)} in all, {how}"
