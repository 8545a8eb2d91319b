"""The help texts of `lth`: of all of it, of one experiment. Imports neither torch nor Hydra."""

import shutil
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any

from lth.defaults import options_of, starting_values
from lth.discovery import Source
from lth.keys import Key, keys_of, written

NAME = 26
"""Columns of a key and its default; longer ones have a line of their own."""

LAST = ("seeds", "store", "wandb")
"""Groups of keys that come last."""

MORE = """\
Options (of Hydra)
  -m                       run all combinations: -m seed=0,1,2 recipe.lr=0.1,0.2
  --cfg job                print the configuration instead of running it
  hydra.run.dir=FOLDER     where the job writes; hydra.sweep.dir for a sweep
"""


def width() -> int:
    """The columns that a help text fills: those of the terminal, from 60 to 100."""
    return min(100, max(60, shutil.get_terminal_size().columns))


def experiment_help(source: Source, overrides: Sequence[str] = ()) -> str:
    """What `lth EXPERIMENT --help` prints: defaults are those that hold under `overrides`."""
    keys = list(keys_of(source.settings, _values(source, overrides)))
    parts = [f"lth {source.command}: {source.docstring}", *_groups(source), *_keys(keys), MORE.rstrip()]
    return "\n\n".join(parts)


def _values(source: Source, overrides: Sequence[str]) -> Mapping[str, Any]:
    if not overrides:
        with suppress(NotImplementedError):
            return starting_values(source)
    from lth.config import composed  # Hydra, late

    return composed(source, overrides)


def _groups(source: Source) -> Iterator[str]:
    options = options_of(source)
    if options:
        lines = [_entry(f"{group}=", "", ", ".join(names)) for group, names in options.items()]
        yield "\n".join(["Groups: an option sets several keys", *lines])


def _keys(keys: Iterable[Key]) -> Iterator[str]:
    """The keys, those at the top first, then group by group."""
    ordered = sorted(keys, key=lambda key: (LAST.index(key.group) + 1 if key.group in LAST else 0, bool(key.group)))
    yield "Keys: name=default, type, meaning. A duration is iterations (500, 500it), epochs\n(2ep) or both (2ep50it)."
    for _, chosen in groupby(ordered, key=lambda key: key.group):
        yield "\n".join(_entry(f"{key.name}={written(key.default)}", key.type, key.meaning) for key in chosen)


def _entry(name: str, kind: str, text: str) -> str:
    """An entry: its name, its type, and the text in a column beside or below them."""
    begin = f"  {name:{NAME}} {kind:8} " if kind else f"  {name:{NAME - 10}} "
    indent = " " * (NAME + 12 if kind else NAME - 7)
    lines = textwrap.wrap(text, width() - len(indent), break_on_hyphens=False, break_long_words=False) or [""]
    first = begin.rstrip() + "\n" + indent if len(begin) > len(indent) else begin
    return first + f"\n{indent}".join(lines)
