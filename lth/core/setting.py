"""One field of a settings dataclass: its default, what it means, and which hashes include it. Imports no torch."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field
from typing import Any, Literal, TypeVar, overload

T = TypeVar("T")
KEY = "lth"
"""The key of a field's metadata that holds its `Marks`."""

Hash = Literal["setting", "replicate"]
"""The two hashes of settings: `setting` of what gives a result its meaning, `replicate` of all that is to be run."""


@dataclass(frozen=True)
class Marks:
    """What a field of settings says of itself.

    meaning: one sentence for help texts and reference pages; empty for a field that is not for users. unhashed: the
    hash that leaves the field out, or True for both. unhashed_at_default: the same, while it has its default.
    unhashed_without: another field of the same settings; while that has its default, both hashes leave this one out.
    hashed_as: the name of the field within hashes. hashed_like: value -> the older value that it gives the same results
    as, which both hashes take in its place. implied: values that the hash `setting` leaves out, the default or not:
    what results that are older than the field were made with.

    What the field may hold, which `lth.core.checked` checks, in lists and dicts for each item: low, high: the least and
    the most of a number or a duration; above, below: the same, themselves left out. infinite: inf is allowed too.
    options: all values that a text may have. doubles: a list may name something twice. empty: a list may be empty.
    read_with: another field of the same settings, and its values with which this one is read at all.
    """

    meaning: str = ""
    unhashed: Hash | bool = False
    unhashed_at_default: Hash | bool = False
    unhashed_without: str | None = None
    hashed_as: str | None = None
    hashed_like: Mapping[Any, Any] = field(default_factory=dict)
    implied: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    infinite: bool = False
    options: tuple[str, ...] = ()
    doubles: bool = False
    empty: bool = True
    read_with: tuple[str, tuple[str, ...]] | None = None

    @property
    def bounded(self) -> bool:
        """Whether a number has both a least and a most value."""
        least, most = (self.low, self.above), (self.high, self.below)
        return least != (None, None) and most != (None, None)

    @property
    def bounds(self) -> str:
        """The bounds in words; empty without any.

        >>> Marks(above=0, high=1000).bounds
        'above 0 and at most 1000'
        """
        words = (("at least", self.low), ("above", self.above), ("at most", self.high), ("below", self.below))
        return " and ".join(f"{word} {value:.12g}" for word, value in words if value is not None)

    @property
    def verb(self) -> str:
        """The verb before `bounds`."""
        return "lie" if self.above is not None and (self.high, self.below) != (None, None) else "be"

    def admits(self, number: float) -> bool:
        """Whether `number` lies within the bounds; NaN lies within none."""
        return (
            (self.low is None or number >= self.low)
            and (self.above is None or number > self.above)
            and (self.high is None or number <= self.high)
            and (self.below is None or number < self.below)
        )

    def leave_out(self, name: Hash, value: Any, at_default: bool) -> bool:
        """Whether the hash `name` leaves the field out, which has this value."""
        implied = name == "setting" and value in self.implied
        return implied or self.unhashed in (True, name) or (at_default and self.unhashed_at_default in (True, name))


@overload
def setting(default: type[T], meaning: str, **marks: Any) -> T: ...
@overload
def setting(default: T, meaning: str, **marks: Any) -> T: ...
def setting(default: Any, meaning: str, **marks: Any) -> Any:
    """A dataclass field with a default, its meaning, and the other `Marks`.

    `default` is a value, of which every instance gets its own copy if it is a list or dict, or a dataclass to create
    with its own defaults.

    >>> @dataclass
    ... class Settings:
    ...     levels: int = setting(13, "number of prunings", unhashed="setting")
    ...     arms: list[str] = setting(["ticket"], "what is trained at each level")
    >>> Settings().arms
    ['ticket']
    >>> marks_of(Settings.__dataclass_fields__["levels"]).meaning
    'number of prunings'
    """
    metadata = {KEY: Marks(meaning, **marks)}
    if isinstance(default, type):
        return field(default_factory=default, metadata=metadata)
    if isinstance(default, list | dict):
        make: Callable[[], Any] = lambda: copy.deepcopy(default)  # noqa: E731
        return field(default_factory=make, metadata=metadata)
    return field(default=default, metadata=metadata)


def marks_of(entry: "Field[Any]") -> Marks:
    """The marks of a dataclass field; without any it is in every hash and not described."""
    marks = entry.metadata.get(KEY, Marks())
    assert isinstance(marks, Marks)
    return marks


def default_of(entry: "Field[Any]") -> Any:
    """The default of a dataclass field; `dataclasses.MISSING` where it has none."""
    return entry.default if entry.default_factory is MISSING else entry.default_factory()
