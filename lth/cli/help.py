"""The help text of an experiment, in 80 columns: what it does, its groups, its keys. Imports no torch, no Hydra."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from lth.cli.defaults import options_of, starting_values
from lth.cli.keys import Key, keys_of, written
from lth.discovery import Source

COLUMNS = 80
NAME = 25
"""Columns of a key and its default; those that need more have a line of their own."""

KINDS = {"duration": "time"}
"""Types by a shorter word."""

MACHINE = ("device", "threads", "outputs")
LAST = ("seeds", "store", "wandb")
"""The keys and groups of keys that every experiment has come last."""

INTRO = """\
Keys, with their defaults and types; .lr below recipe is recipe.lr. A time is a
number of iterations (500, 500it) or epochs (2ep), or both (2ep50it). An option
of a group, as recipe=sgd, sets several keys at once."""

OUTRO = """\
-m runs all combinations of values: -m seed=0,1,2 recipe.lr=0.1,0.2
--cfg job prints the configuration and runs nothing.
hydra.run.dir=FOLDER and, with -m, hydra.sweep.dir=FOLDER set where results go.
hydra/launcher={launchers}"""


def experiment_help(source: Source, overrides: Sequence[str] = ()) -> str:
    """What `lth EXPERIMENT --help` prints: defaults are those that hold under `overrides`."""
    keys, options = list(keys_of(source.settings, _values(source, overrides))), options_of(source)
    launchers = "|".join(options.pop("hydra/launcher"))
    usage = f"lth {source.command} [key=value ...] [-m] [--cfg job]"
    parts = [usage, source.docstring, INTRO, *_sections(keys, options), OUTRO.format(launchers=launchers)]
    return "\n\n".join(parts)


def _values(source: Source, overrides: Sequence[str]) -> Mapping[str, Any]:
    if not overrides:
        with suppress(NotImplementedError):
            return starting_values(source)
    from lth.cli.config import composed  # Hydra, late

    return composed(source, overrides)


def _sections(keys: Sequence[Key], options: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The keys of the experiment itself, then each group with its options, then what all experiments have."""
    groups = dict.fromkeys(key.group for key in keys if key.group)
    alone = [_line(key) for key in keys if not key.group and key.name not in MACHINE]
    yield "\n".join([*alone, *(_entry(name, "", ", ".join(options[name])) for name in options if name not in groups)])
    for group in sorted(groups, key=lambda group: group in LAST):
        heading = [_entry(group, "", ", ".join(options.get(group, ())))]
        yield "\n".join([*heading, *(_line(key, 1 + len(group)) for key in keys if key.group == group)])
    yield "\n".join(_line(key) for key in keys if key.name in MACHINE)


def _line(key: Key, start: int = 0) -> str:
    name = f"  .{key.name[start:]}" if start else key.name
    return _entry(f"{name}={written(key.default)}", KINDS.get(key.type, key.type), key.meaning)


def _entry(name: str, kind: str, text: str) -> str:
    """`name`, then a text in a column of its own: beside the name if there is room, else below it."""
    indent = " " * (NAME + 1)
    text = f"{kind:5} {text}" if kind else text
    below = " " * 6 if kind else ""
    lines = textwrap.wrap(text, COLUMNS - len(indent), break_on_hyphens=False, subsequent_indent=below)
    long = textwrap.fill(name, COLUMNS, subsequent_indent="    ", break_on_hyphens=False)
    beside = f"{name:{NAME}} " if len(name) <= NAME else f"{long}\n{indent}"
    return (beside + f"\n{indent}".join(lines or [""])).rstrip()
