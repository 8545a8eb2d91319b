"""Whether values of a claims file are of the kind that a field or an argument takes."""

import math
import types
from collections.abc import Mapping, Sequence
from typing import Any, Union, get_args, get_origin

WORDS = {str: "a text", float: "a number", int: "a whole number", bool: "true or false"}


def fits(value: object, kind: Any) -> bool:
    """Whether `value`, as TOML gives it, is of `kind`, a type as signatures and fields have it; NaN is no number.

    >>> fits(3, float), fits("3", float), fits([1, "2"], list[float]), fits({"arm": []}, Mapping[str, Any])
    (True, False, False, False)
    """
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in inner)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind in (str, bool):
        return isinstance(value, kind)
    if origin in (Sequence, list, tuple):
        return isinstance(value, list) and all(fits(one, inner[0]) for one in value)
    if origin is Mapping:
        kind = str | int | float | bool if inner[1] is Any else inner[1]  # Any: what a cell of a table may be
        return isinstance(value, dict) and all(fits(one, kind) for one in value.values())
    return kind is not type(None)


def words(kind: Any) -> str:
    """What a value has to be for `fits`, in words."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return words(inner[0])
    if origin in (Sequence, list, tuple):
        return f"a list, each {words(inner[0])}"
    if origin is Mapping:
        return "a table of values" if inner[1] is Any else f"a table, each {words(inner[1])}"
    return WORDS.get(kind, "a value")
