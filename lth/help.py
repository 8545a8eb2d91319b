"""The help text of an experiment, in 80 columns: what it does, groups and keys. Imports neither torch nor Hydra."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from lth.defaults import options_of, starting_values
from lth.discovery import Source
from lth.keys import Key, keys_of, written

COLUMNS = 80
NAME = 24
"""Columns of a key and its default; those that need more have a line of their own."""

KINDS = {"duration": "time"}
"""Types by a shorter word."""

LAST = ("seeds", "store", "wandb", "")
"""Groups of keys that come last; "" holds device, threads and outputs."""

MACHINE = ("device", "threads", "outputs")

INTRO = """\
Keys, as name=default. A time is a number of iterations (500, 500it) or of epochs
(2ep), or both (2ep50it). A group's name selects an option: several values at once."""

OUTRO = """\
-m runs all combinations of values: -m seed=0,1,2 recipe.lr=0.1,0.2
--cfg job prints the configuration and runs nothing
hydra/launcher={launchers} runs the jobs of a sweep
hydra.run.dir=FOLDER, with -m hydra.sweep.dir=FOLDER: where results are written"""


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
    from lth.config import composed  # Hydra, late

    return composed(source, overrides)


def _sections(keys: Sequence[Key], options: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The keys of the experiment itself, then each group with its options, then what all experiments have."""
    alone = [key for key in keys if not key.group and key.name not in MACHINE]
    named = dict.fromkeys(key.group for key in keys if key.group)
    choices = [_entry(f"{group}=", "", ", ".join(names)) for group, names in options.items() if group not in named]
    yield "\n".join([*map(_line, alone), *choices])
    for group in sorted(named, key=lambda group: group in LAST):
        heading = [_entry(f"{group}=", "", ", ".join(options[group]))] if group in options else []
        yield "\n".join([*heading, *(_line(key) for key in keys if key.group == group)])
    yield "\n".join(_line(key) for key in keys if key.name in MACHINE)


def _line(key: Key) -> str:
    return _entry(f"{key.name}={written(key.default)}", KINDS.get(key.type, key.type), key.meaning)


def _entry(name: str, kind: str, text: str) -> str:
    """`name`, then a text in a column of its own: beside the name if there is room, else below it."""
    indent = " " * (NAME + 1)
    text = f"{kind:5} {text}" if kind else text
    below = " " * 6 if kind else ""
    lines = textwrap.wrap(text, COLUMNS - len(indent), break_on_hyphens=False, subsequent_indent=below)
    beside = f"{name:{NAME}} " if len(name) <= NAME else f"{name}\n{indent}"
    return beside + f"\n{indent}".join(lines or [""]).rstrip()
