"""Values of settings: whatever a configuration brings becomes a value of the declared type, or is one line."""

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import pytest

from lth.core.checked import UNSET, built, check, type_word
from lth.core.durations import Duration
from lth.core.errors import SettingError
from lth.core.setting import setting


class Size(Enum):
    SMALL = 1
    LARGE = 2


@dataclass
class Inner:
    rate: float = setting(0.1, "a rate", above=0, high=1000)
    names: list[str] = setting(["a"], "some names", empty=False)


@dataclass
class Outer:
    count: int = setting(1, "a count", low=1, high=100)
    share: float = setting(0.5, "a share", above=0, below=1)
    norm: float = setting(2.0, "a norm", above=0, high=1000, infinite=True)
    limit: int | None = setting(None, "a limit", low=1, high=9)
    time: Duration = setting(5, "a time", low=1)
    times: list[Duration] = setting([], "times", low=1)
    widths: list[int] = setting([], "widths", low=1, high=50, doubles=True)
    shares: dict[str, float] = setting({}, "shares by name", low=0, below=1)
    kind: str = setting("one", "a kind", options=("one", "two"))
    name: str = setting("n", "a name")
    switch: bool = setting(False, "a switch")
    anything: Any = setting(None, "anything")
    size: Size = setting(Size.SMALL, "a size")
    unbounded: int = 3
    inner: Inner = setting(Inner, "others")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("count", 1e2, 100),
        ("count", "1e2", 100),
        ("count", "1_0", 10),
        ("count", np.int64(7), 7),
        ("share", 1e-1, 0.1),
        ("share", "1e-1", 0.1),
        ("share", np.float32(0.5), 0.5),
        ("norm", math.inf, math.inf),
        ("norm", 1, 1.0),
        ("limit", None, None),
        ("limit", 9.0, 9),
        ("time", "2ep50it", "2ep50it"),
        ("time", 1e3, 1000),
        ("time", "1e3", 1000),
        ("time", "500", "500"),
        ("times", [1, "2ep"], [1, "2ep"]),
        ("widths", (30, 30), [30, 30]),
        ("shares", {"fc*": 0}, {"fc*": 0.0}),
        ("kind", "two", "two"),
        ("name", 2024, "2024"),
        ("switch", "yes", True),
        ("size", "LARGE", Size.LARGE),
        ("anything", {"a": [1, None]}, {"a": [1, None]}),
    ],
)
def test_a_value_becomes_one_of_the_declared_type(key, value, expected):
    read = getattr(built(Outer, {key: value}), key)
    assert read == expected and type(read) is type(expected)


HUGE = 10**400
BAD = {
    "count": [0, 101, -1, 1.5, "1.5", True, None, "a", [1], {}, math.nan, math.inf, HUGE, "", 2**70, 1e300],
    "share": [0, 1, -0.1, math.nan, math.inf, -math.inf, True, None, "a", [], HUGE, "nan"],
    "norm": [0, -1, math.nan, None, True],
    "limit": [0, 10, True, 1.5, "x"],
    "time": [
        0,
        "0it",
        "0ep",
        -5,
        "-5",
        1.5,
        True,
        None,
        "abc",
        "1h",
        [],
        {},
        math.nan,
        math.inf,
        "",
        "9" * 5000,
        10**10,
    ],
    "times": [None, 5, "5", [0], [None], [True], [[1]], [5, 5]],
    "widths": [[0], [51], [True], [1.5], "12", {"a": 1}, [None], 7],
    "shares": [{"a": 1}, {"a": None}, {"a": True}, {"": 0.5}, {None: 0.5}, [0.5], 0.5],
    "kind": ["three", "", None, True, ["one"]],
    "name": ["", "  ", None, True, 1.5, [], {}, "two\nlines", "\x1b[31m", "x" * 5000, "\0", "\ud800"],
    "switch": [1, 0, "maybe", None, [], 2.0],
    "size": ["HUGE"],
    "unbounded": [2**70, math.inf, True, None],
    "inner": [None, 1, [], "x", {"rate": 0}, {"rate": 2**31}, {"names": []}, {"names": ["a", "a"]}, {"nope": 1}],
    "nope": [1],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in BAD.items() for value in values])
def test_what_is_none_is_one_line_that_names_the_key(key, value):
    with pytest.raises(SettingError) as error:
        built(Outer, {key: value})
    line = str(error.value)
    assert line.startswith(key) and line.isprintable() and len(line) < 500


def test_settings_made_in_python_are_checked_alike_and_stay_as_they_are():
    made = Outer(share=np.float64(0.25), count=np.int64(3), widths=(1, 2), norm=1, inner=Inner(rate=5))  # type: ignore[arg-type]
    check(made)
    assert (made.count, made.widths, made.norm, made.inner.rate) == (3, (1, 2), 1, 5)
    assert type(made.count) is int and type(made.norm) is int
    for wrong in (Outer(count=True), Outer(inner=Inner(rate=math.nan)), Outer(time="soon"), Outer(times=["soon"])):
        with pytest.raises(SettingError):
            check(wrong)
    check(Outer(time="soon", times=["soon"]), durations=False)


def test_a_value_that_is_still_to_be_given_is_missed():
    @dataclass
    class Needed:
        name: str = setting(UNSET, "a name")
        extra: list[int] = field(default_factory=list)

    with pytest.raises(SettingError, match=r"name=\?\?\?: needs a value"):
        built(Needed, {"extra": [1]})
    assert built(Needed, {"name": "x"}).extra == []


def test_the_words_of_types():
    assert [type_word(hint) for hint in (int, list[int] | None, Duration, type(None))] == [
        "int",
        "list",
        "duration",
        "any",
    ]
