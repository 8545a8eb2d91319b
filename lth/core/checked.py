"""The one door for settings: values become settings dataclasses, and each is checked against what its field declares.

A number without bounds of its own is finite and at most 2**53 in size; `true` is no number; text is one line.
Imports no torch.
"""

import math
import re
import sys
import types
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from lth.core.durations import PATTERN as DURATION
from lth.core.durations import parts_of
from lth.core.errors import SettingError
from lth.core.registry import nearest
from lth.core.setting import Marks, default_of, marks_of

T = TypeVar("T")
TYPES = {int: "int", float: "float", str: "str", bool: "bool"}
UNSET = "???"
"""What OmegaConf calls a value that is still to be given."""
WIDEST = 2.0**53
"""Up to here a float holds every whole number."""
LONGEST = 4096
"""The characters of a text, which may be a path."""
DIGITS = re.compile(r" *[+-]?[0-9]+ *")
WORDS = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False}


def built(kind: type[T], values: Mapping[Any, Any], prefix: str = "") -> T:
    """The settings `kind` with `values`, nested, of whatever types a configuration has; others have their defaults.

    Numbers are read as Python reads them, and a whole number may be written as 1e3. prefix: of the keys in errors.
    Raises SettingError for a key that there is not, a value of another type, and one that its field does not admit.
    """
    entries = {entry.name: entry for entry in fields(kind)}  # type: ignore[arg-type]  # a dataclass
    for key in values:
        if key not in entries:
            raise SettingError(f"{prefix}{key}", values[key], f"is no setting; {nearest(str(key), entries)}")
    needed = {name: UNSET for name, entry in entries.items() if default_of(entry) in (UNSET, MISSING)}
    given = needed | dict(values)
    hints = hints_of(kind)  # type: ignore[arg-type]  # a class is hashable
    return kind(**{name: _nested(hints[name], value, entries[name], prefix + name) for name, value in given.items()})


def _nested(hint: Any, value: Any, entry: "Field[Any]", key: str) -> Any:
    if not is_dataclass(hint):
        return value_of(hint, marks_of(entry), key, value)
    if isinstance(value, Mapping):
        assert isinstance(hint, type)
        return built(hint, value, f"{key}.")
    first = next(iter(fields(hint))).name
    raise SettingError(key, value, f"is a group of keys: set one of them, as {key}.{first}=...")


def check(settings: Any, prefix: str = "", durations: bool = True) -> None:
    """Checks the fields of settings that were made in Python, and of those in them, as `built` does.

    NumPy's numbers become Python's, whole floats become ints where an int is wanted. prefix: of the keys in errors.
    durations: whether to check them too, which may wait until the length of an epoch is known.
    """
    for entry in fields(settings):
        value = getattr(settings, entry.name)
        if is_dataclass(value):
            check(value, f"{prefix}{entry.name}.", durations)
            continue
        hint = hints_of(type(settings))[entry.name]  # type: ignore[arg-type]
        if durations or "duration" not in (type_word(hint), *map(type_word, get_args(hint))):
            checked = value_of(hint, marks_of(entry), prefix + entry.name, value, keep=True)
            if checked is not value:
                object.__setattr__(settings, entry.name, checked)


@cache
def hints_of(kind: Hashable) -> dict[str, Any]:
    """The types of the fields of a dataclass."""
    return get_type_hints(kind)


def value_of(hint: Any, marks: Marks, key: str, value: Any, keep: bool = False) -> Any:
    """`value` as a value of the type `hint` within the bounds of `marks`; SettingError naming `key` where it is none.

    keep: values that are right as they are stay so: an int where a float is wanted, a tuple for a list.
    """
    options = _options(hint)
    if isinstance(value, str) and value == UNSET:
        raise SettingError(key, value, f"needs a value ({marks.meaning or type_word(hint)})")
    if value is None and (hint is Any or type(None) in options):
        return None
    options = [option for option in options if option is not type(None)]
    if set(options) == {str, int}:
        return _duration(marks, key, value)
    one = options[0] if len(options) == 1 else float if set(options) == {int, float} else Any
    origin = get_origin(one) or one
    if origin is list:
        return _list(one, marks, key, value, keep)
    if origin is dict:
        return _dict(one, marks, key, value, keep)
    if one is bool:
        return _bool(marks, key, value)
    if one in (int, float):
        return _number(one, marks, key, value, keep)
    if one is str:
        return _text(marks, key, value)
    return _other(one, key, value)


def _options(hint: Any) -> list[Any]:
    return list(get_args(hint)) if get_origin(hint) in (Union, types.UnionType) else [hint]


def type_word(hint: Any) -> str:
    """A word for a key's type; whether it may be null is for its meaning to say.

    >>> type_word(list[int] | None), type_word(str | int), type_word(dict[str, float])
    ('list', 'duration', 'dict')
    """
    options = [option for option in _options(hint) if option is not type(None)] or [hint]
    if len(options) > 1:
        return "duration" if set(options) == {str, int} else type_word(options[0])
    return TYPES.get(options[0]) or str(getattr(get_origin(options[0]), "__name__", "any"))


def _wrong(word: str, marks: Marks, key: str, value: Any) -> SettingError:
    null = "null" if value is None else value
    return SettingError(key, null, f"must be {word}{f' ({marks.meaning})' if marks.meaning else ''}")


def _number(kind: type, marks: Marks, key: str, value: Any, keep: bool) -> int | float:
    number = _parsed(kind, value)
    if number is None:
        raise _wrong(TYPES[kind], marks, key, value)
    within = marks if marks.bounds else Marks(low=-WIDEST, high=WIDEST)
    if not within.admits(number) and not (marks.infinite and number == math.inf):
        raise SettingError(key, number, f"must {within.verb} {within.bounds}{', or inf' if marks.infinite else ''}")
    return value if keep and type(value) in (int, kind) else number


def _parsed(kind: type, value: Any) -> int | float | None:
    """`value` as a number; None where it is none, or has a fraction where an int is wanted."""
    if isinstance(value, bool) or not isinstance(value, (Real, str)):
        return None
    try:
        if kind is int and (isinstance(value, Integral) or (isinstance(value, str) and DIGITS.fullmatch(value))):
            return int(value)
        number = float(value)
        return number if kind is float else int(number) if number.is_integer() else None
    except ValueError:
        return None
    except OverflowError:  # an int that no float can hold, or inf where an int is wanted
        return sys.float_info.max


def _duration(marks: Marks, key: str, value: Any) -> str | int:
    duration: str | int = value
    if not isinstance(value, str) or not DURATION.fullmatch(value):
        number = _parsed(int, value)
        duration = str(value) if number is None or isinstance(value, bool) else int(number)
    epochs, iterations = parts_of(duration, key)
    if marks.low and not epochs and iterations < marks.low:
        raise SettingError(key, value, "must be at least one iteration")
    return duration


def _bool(marks: Marks, key: str, value: Any) -> bool:
    if isinstance(value, str) and value.lower() in WORDS:
        return WORDS[value.lower()]
    if not isinstance(value, bool):
        raise _wrong("true or false", marks, key, value)
    return value


def _text(marks: Marks, key: str, value: Any) -> str:
    if type(value) is int:
        value = str(value)  # a folder called 2024
    if not isinstance(value, str):
        raise _wrong("text, in quotes where it looks like something else", marks, key, value)
    if marks.options and value not in marks.options:
        raise SettingError(key, value, f"must be one of {', '.join(marks.options)}")
    if not value.strip():
        raise SettingError(key, value or "''", "must not be empty: leave it out, or set it to null")
    if not value.isprintable() or len(value) > LONGEST:
        raise SettingError(key, value, f"must be one line of at most {LONGEST} printable characters")
    return value


def _list(hint: Any, marks: Marks, key: str, value: Any, keep: bool) -> Any:
    if isinstance(value, str) or not isinstance(value, Iterable) or isinstance(value, Mapping):
        raise _wrong("a list, as in [a,b]", marks, key, value)
    inner = (get_args(hint) or (Any,))[0]
    items = [value_of(inner, marks, key, item, keep) for item in value]
    if not items and not marks.empty:
        raise SettingError(key, "[]", "must name at least one")
    if not marks.doubles and (twice := next((x for n, x in enumerate(items) if x in items[:n]), None)) is not None:
        raise SettingError(key, twice, "is named twice")
    return value if keep and all(new is old for new, old in zip(items, value, strict=True)) else items


def _dict(hint: Any, marks: Marks, key: str, value: Any, keep: bool) -> Any:
    if not isinstance(value, Mapping):
        raise _wrong("a mapping, as in {a: 1}", marks, key, value)
    inner = (get_args(hint) or (str, Any))[1]
    return {_text(Marks(), key, name): value_of(inner, marks, f"{key}.{name}", x, keep) for name, x in value.items()}


def _other(kind: Any, key: str, value: Any) -> Any:
    """A value of a type that only a user's own settings have, or of any."""
    if isinstance(kind, type) and issubclass(kind, Enum) and isinstance(value, str):
        if value not in kind.__members__:
            raise SettingError(key, value, f"must be one of {', '.join(kind.__members__)}")
        return kind[value]
    return Path(value) if kind is Path and isinstance(value, str) else value
