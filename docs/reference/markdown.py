"""Markdown of tables."""

import re
from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown; `|` within cells is escaped.

    >>> print(table(["a", "b"], [["1", "2|3"]]))
    | a | b |
    | --- | --- |
    | 1 | 2\\|3 |
    """
    lines = [heads, ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def plain(text: str) -> str:
    """`text` without a meaning of its characters in Markdown or HTML, code in backticks apart.

    >>> plain("in <outputs>, as `a<b`")
    'in &lt;outputs>, as `a<b`'
    """
    parts = text.split("`")
    return "`".join(
        part if place % 2 else re.sub(r"[*_]", r"\\\g<0>", part.replace("<", "&lt;"))
        for place, part in enumerate(parts)
    )
