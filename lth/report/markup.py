"""Text as the media that a report is written in show it: Markdown and LaTeX. Names in it are no markup."""

import re
from html import escape

from lth.core.shown import shown

LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{
        "≥": r"$\geq$",
        "≤": r"$\leq$",
        "∞": r"$\infty$",
        "\N{MINUS SIGN}": "$-$",
        "\N{EN DASH}": "--",
        "<": r"$<$",
        ">": r"$>$",
    },
}
MARKDOWN = re.compile(r"[\\`|$~]|\](?=[(\[:])|(?<!\w)[*_]+(?=\w)|(?<=\w)[*_]+(?!\w)")
"""What Markdown would take for code, a table's border, a link, a formula, or emphasis around words."""
HTML = re.compile(r"[<>]|&(?=#?\w+;)")
"""What HTML within Markdown would take for a tag, or for the name of a character."""


def latex_text(text: str) -> str:
    r"""`text` as LaTeX shows it; in one line, so that it ends no comment.

    >>> print(latex_text("a_b\n\\input{x}"))
    a\_b\textbackslash{}n\textbackslash{}input\{x\}
    """
    return "".join(LATEX.get(character, character) for character in shown(text))


def markdown_text(text: str) -> str:
    r"""`text` as Markdown shows it, in a cell of a table too.

    >>> print(markdown_text("<b>[x](y) a_b | 5 < 6"))
    &lt;b&gt;[x\](y) a_b \| 5 &lt; 6
    """
    escaped = MARKDOWN.sub(lambda match: "".join(f"\\{character}" for character in match[0]), shown(text))
    return HTML.sub(lambda match: escape(match[0]), escaped)
