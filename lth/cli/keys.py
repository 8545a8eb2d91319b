"""The configuration keys of an experiment, as help texts and reference pages need them. Imports no torch, no Hydra."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, get_type_hints

from lth.core.checked import type_word
from lth.core.setting import default_of, marks_of


@dataclass(frozen=True)
class Key:
    """A configuration key. type: a word for its type; default: its value where nothing overrides it."""

    name: str
    type: str
    default: Any
    meaning: str

    @property
    def group(self) -> str:
        """The part of the name before the first dot; empty for a key at the top."""
        return self.name.rpartition(".")[0].partition(".")[0]


def keys_of(
    settings: type, values: Mapping[str, Any] | None = None, prefix: str = "", internal: bool = False
) -> Iterator[Key]:
    """The keys of a settings dataclass, nested ones by their path; `values` (nested) are their defaults, where given.

    Keys without a meaning, which are not meant to be set on the command line, are left out unless `internal`.
    """
    hints = get_type_hints(settings)
    for entry in fields(settings):
        default = default_of(entry)
        value = (values or {}).get(entry.name, default)
        if is_dataclass(hints[entry.name]):
            nested = value if isinstance(value, Mapping) else None
            yield from keys_of(hints[entry.name], nested, f"{prefix}{entry.name}.", internal)
        elif internal or marks_of(entry).meaning:
            shown = None if value is MISSING else value
            yield Key(prefix + entry.name, type_word(hints[entry.name]), shown, marks_of(entry).meaning)


def written(value: Any) -> str:
    """`value` as one writes it on the command line.

    >>> written({"output": 0.1}), written(["a", None]), written(True), written("")
    ('{output: 0.1}', '[a, null]', 'true', "''")
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value) or "''"
