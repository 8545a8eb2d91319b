"""The page of configuration keys: from the settings dataclasses and the composed defaults of every experiment."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import get_type_hints

from lth.cli.config import composed
from lth.cli.defaults import options_of
from lth.cli.keys import Key, keys_of, written
from lth.discovery import Source, sources
from reference.markdown import plain, table

INTRO = """\
# Configuration keys

Override any key on the command line as `key=value`, or sweep it with `-m key=value1,value2`. Lists need quotes, as in
`'arms=[ticket,reinit]'`. `lth EXPERIMENT --cfg job` prints the configuration that a command would run with.

Durations are a number of iterations (`500` or `500it`), of epochs (`2ep`), or both (`2ep50it`). The defaults below are
those of `scale=quick`; where experiments differ, the exceptions are named.
"""

Entry = tuple[str, Key]
"""(experiment, key): the default of a key is that of the experiment."""


def page() -> str:
    """The page, in Markdown."""
    found = entries()
    count = Counter((key.name, key.meaning) for _, key in found)
    shared = [(name, key) for name, key in found if count[key.name, key.meaning] > 1]
    parts = [INTRO, "## Groups", "A group selects a file with the values of several keys.", groups()]
    parts += ["## Keys of several experiments"]
    for group in dict.fromkeys(key.group for _, key in shared):
        if group:
            parts += [f"### {group}", about(group)]
        parts.append(keys_table([(name, key) for name, key in shared if key.group == group]))
    for name in ours():
        if alone := [(name, key) for owner, key in found if owner == name and count[key.name, key.meaning] == 1]:
            parts += [f"## Keys of lth {name} alone", keys_table(alone)]
    return "\n\n".join(part for part in parts if part) + "\n"


def ours() -> dict[str, Source]:
    """Name -> experiment, of those that come with lth."""
    return {name: source for name, source in sources().items() if not source.outside}


@cache
def entries() -> list[Entry]:
    """Every key of every experiment, with its composed default."""
    return [(name, key) for name, source in ours().items() for key in keys_of(source.settings, composed(source, []))]


def groups() -> str:
    """The configuration groups, their options, and the experiments that have them, where not all do."""
    options: dict[str, list[str]] = {}
    for source in ours().values():
        for group, names in options_of(source).items():
            options.setdefault(group, []).extend(names)
    rows = [[f"`{group}=`", ", ".join(map(code, dict.fromkeys(names)))] for group, names in options.items()]
    return table(["group", "options"], rows)


def about(group: str) -> str:
    """What the keys of a group are about: the first line of the docstring of their dataclass."""
    kinds = [hints[group] for source in ours().values() if group in (hints := get_type_hints(source.settings))]
    return plain((kinds[0].__doc__ or "").partition("\n")[0])


def keys_table(chosen: Sequence[Entry]) -> str:
    """The table of the `chosen` keys, one row a name, in the order of their first experiment."""
    rows = []
    for name in dict.fromkeys(key.name for _, key in chosen):
        same = [(experiment, key) for experiment, key in chosen if key.name == name]
        rows.append([f"`{name}`", same[0][1].type, defaults(same), plain(same[0][1].meaning)])
    return table(["key", "type", "default", "meaning"], rows)


def defaults(same: Sequence[Entry]) -> str:
    """The default that most experiments give a key, and those of the others with their names."""
    values = [(experiment, written(key.default)) for experiment, key in same]
    (usual, _), *others = Counter(value for _, value in values).most_common()
    texts = [code(usual)]
    for other, _ in others:
        texts.append(f"{code(other)} ({', '.join(experiment for experiment, value in values if value == other)})")
    return "; ".join(texts)


def code(text: str) -> str:
    """`text` as code."""
    return f"`{text}`"
