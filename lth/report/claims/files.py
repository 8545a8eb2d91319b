"""Claims files: which experiment a paper's claims are about, and each claim with its estimator and bounds."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_type_hints

from lth.core.errors import LotteryError
from lth.core.reading import read_text
from lth.core.shown import brief
from lth.report.claims.kinds import fits, words


@dataclass(frozen=True)
class Claim:
    """One claim of a paper, and what would confirm it.

    text: the claim in words; short: the same in few words, for a terminal of 80 columns. estimator: the name of what
    computes the value; arguments: what it takes. at_least, at_most: the bounds of the value, in the estimator's unit;
    margin: how far beyond them it may lie all the same, so that "as much or more" can be shown of equals. paper: the
    paper's own value. densities: the levels that the claim is about, in percent of the weights; or all from `densest`
    to `sparsest` (keys `from` and `to` of the file). where: the rows of results.csv that it is about. iterations:
    trainings must be at least so long. within: see `Claims`; an empty text averages over what is within. independent:
    whether what is within one replicate varies as replicates do, so that it is the unit however many of them there are.
    otherwise: a likely reason where the claim is not reproduced.
    """

    name: str
    text: str
    estimator: str
    arguments: Mapping[str, Any]
    short: str = ""
    at_least: float = -math.inf
    at_most: float = math.inf
    margin: float = 0.0
    paper: float | None = None
    densities: Sequence[float] = ()
    densest: float = 100.0
    sparsest: float = 0.0
    where: Mapping[str, Any] = field(default_factory=dict)
    iterations: int = 0
    within: str = ""
    independent: bool = False
    otherwise: str = ""

    @property
    def low(self) -> float:
        """The lowest value that the claim allows."""
        return self.at_least - self.margin

    @property
    def high(self) -> float:
        """The highest value that the claim allows."""
        return self.at_most + self.margin

    @property
    def about(self) -> Literal["value", "direction"]:
        """What a verdict is about: the paper's value, which lies between two bounds, or the direction alone.

        >>> Claim("A", "text", "value", {}, paper=98.3, at_least=97.8, at_most=98.8).about
        'value'
        >>> Claim("A", "text", "speedup", {}, paper=2.51, at_least=1.0).about
        'direction'
        """
        bounded = math.isfinite(self.at_least) and math.isfinite(self.at_most)
        return "value" if self.paper is not None and bounded else "direction"

    @property
    def sides(self) -> list[Mapping[str, Any]]:
        """The selections of rows that it compares: `of` and `than`, each with a change and without where it has one."""
        sides = [self.arguments[name] for name in ("of", "than") if name in self.arguments]
        changes = [self.arguments[name] for name in ("effect", "without") if name in self.arguments]
        return [{**side, **change} for side in sides for change in changes] or sides


@dataclass(frozen=True)
class Claims:
    """The claims of one paper about one network.

    experiment, data, model: whose results they are judged on. command: what measures them. unit: what one replicate (a
    seed) stands for, `seed` or `mask`; values are averaged within it. within: the unit where fewer than three
    replicates were measured, in words ("runs within one mask"): the verdict then holds for one replicate. Where it is
    empty, there is no such unit. density_arm: the arm whose mask gives a level its density. chance: percent of the
    test set that its most frequent class has, for results that do not hold it: a training that ends there failed.
    arms: column of a table -> its value -> the arm in results.csv that it stands for. path: the file.
    """

    title: str
    experiment: str
    command: str
    data: str
    model: str
    claims: tuple[Claim, ...]
    path: Path
    unit: str = "seed"
    within: str = ""
    density_arm: str = "ticket"
    chance: float | None = None
    arms: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


KEYS = {"from": "densest", "to": "sparsest"}
"""Keys of a claim in the file that its field cannot be called by."""
FIELDS = {field.name for field in fields(Claim)} - {"arguments"}


def read_claims(path: Path) -> Claims:
    """The claims in the TOML file `path`; a claim has the keys of the table `defaults` that it does not give itself.

    Every key of a claim that is no field of `Claim` is an argument of its estimator. Raises LotteryError naming the
    file where it cannot be read, lacks a key, has one that there is not, or a claim without a bound
    or with a negative margin.
    """
    try:
        content = tomllib.loads(read_text(path))
    except OSError as error:
        raise LotteryError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise LotteryError(f"{path}: is not a TOML file ({error})") from error
    defaults, entries = content.pop("defaults", {}), content.pop("claim", [])
    try:
        if not isinstance(defaults, dict) or not isinstance(entries, list) or {*map(type, entries)} - {dict}:
            raise ValueError("defaults must be a table, and claim a list of tables: [defaults], [[claim]]")
        _check(content, Claims)
        defaults.setdefault("within", content.get("within", ""))
        claims = tuple(_claim(defaults | entry) for entry in entries)
        return Claims(**content, claims=claims, path=path)
    except (TypeError, ValueError) as error:
        problem = str(error).split("__init__() ")[-1]
        raise LotteryError(f"{path}: {problem}") from error


def _check(values: Mapping[str, Any], kind: type[Claim] | type[Claims], where: str = "") -> None:
    """Raises ValueError, that begins with `where`, for a value of another type than its field in `kind`."""
    for name, hint in get_type_hints(kind).items():
        if name in values and not fits(values[name], hint):
            raise ValueError(f"{where}{name}={brief(values[name])}: must be {words(hint)}")


def _claim(entry: Mapping[str, Any]) -> Claim:
    values: dict[str, Any] = {KEYS.get(key, key): value for key, value in entry.items()}
    _check(values, Claim, f"claim {brief(values.get('name', '?'))}: ")
    if not {"at_least", "at_most"} & values.keys():
        raise ValueError(f"claim {values.get('name', '?')} has neither at_least nor at_most")
    if values.get("margin", 0.0) < 0:
        raise ValueError(f"claim {values.get('name', '?')} has a negative margin: {values['margin']:g}")
    arguments = {key: values.pop(key) for key in list(values) if key not in FIELDS}
    return Claim(**values, arguments=arguments)
