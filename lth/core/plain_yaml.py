"""YAML files as plain values: nothing in them runs, is resolved, or grows out of bounds.

Interpolations such as `${oc.env:HOME}` stay text. Imports no torch.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped,unused-ignore]  # it has no types of its own

from lth.core.reading import read_text

DEEPEST = 50
"""How deeply values may lie within each other."""
LARGEST = 100_000
"""How many values a file may hold, each repetition of an anchor counted."""
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: str | Path) -> Any:
    """What the YAML file `path` holds, as plain values; OSError where it is no regular file, ValueError as below."""
    return parse_yaml(read_text(path))


def parse_yaml(text: str) -> Any:
    """What the YAML `text` holds; ValueError, in one line, where it is not YAML, or too deep or too large.

    >>> parse_yaml("margin: ${oc.env:HOME}")
    {'margin': '${oc.env:HOME}'}
    >>> parse_yaml("[" * 100)
    Traceback (most recent call last):
    ValueError: it is nested too deeply
    """
    try:
        _check_size(yaml.parse(text, LOADER))
        return yaml.load(text, LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise ValueError(f"it is not YAML: {problem}" + (f" (line {mark.line + 1})" if mark else "")) from error
    except (
        AttributeError,
        TypeError,
        OverflowError,
        RecursionError,
    ) as error:  # a tag on what it does not fit
        raise ValueError(f"it is not YAML: {error}") from error


def _check_size(events: Iterator[yaml.Event]) -> None:
    """Raises ValueError where what the `events` describe is too deep or too large.

    An alias counts as all that its anchor holds: a few lines of aliases of aliases stand for billions of values.
    """
    sizes: dict[str, int] = {}  # anchor -> how many values it stands for
    open_nodes: list[tuple[str | None, int]] = [(None, 0)]  # (anchor, values so far) of each node that is not closed
    for event in events:
        if isinstance(event, yaml.AliasEvent):
            size = sizes.get(event.anchor, LARGEST)  # one that stands for what it lies in has no end
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, 1))
            size = 0
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_nodes.pop()
            sizes |= {anchor: size} if anchor else {}
        elif isinstance(event, yaml.ScalarEvent):
            size = 1
            sizes |= {event.anchor: size} if event.anchor else {}
        else:
            continue
        anchor, before = open_nodes.pop()
        open_nodes.append((anchor, before + size))
        if len(open_nodes) > DEEPEST:
            raise ValueError("it is nested too deeply")
        if before + size >= LARGEST:
            raise ValueError("it holds too many values")
