"""Tables for people: one declaration, shown on the terminal, on a page, as Markdown and as LaTeX."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from lth.core.shown import shown
from lth.report.markup import latex_text, markdown_text
from lth.report.terminal import Terminal

MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"
WIDE = 130
"""Columns of a terminal that shows every column of a sheet."""


def bracketed(mean: str, low: str = "", high: str = "", lowest: str = "0") -> str:
    """A mean with its interval, whose ends are empty where it is open; without either end, the mean alone.

    lowest: the end of an interval that is open below.

    >>> bracketed("2.1", "1.2", ""), bracketed("0.5", "", "0.8"), bracketed("3", "", "")
    ('2.1 [1.2, ∞)', '0.5 (0, 0.8]', '3')
    """
    if not low and not high:
        return mean
    start = f"[{low}" if low else f"({lowest}"
    return f"{mean} {start}, {f'{high}]' if high else '∞)'}"


class Cell(str):
    """The text of a cell; with a `note` in small print below it, an address that it links to, or set in bold.

    short: what a terminal shows instead.
    """

    note: str
    link: str
    bold: bool
    short: str

    def __new__(cls, text: str, note: str = "", link: str = "", bold: bool = False, short: str = "") -> Self:
        """A cell that reads `text`."""
        cell = super().__new__(cls, text)
        cell.note, cell.link, cell.bold, cell.short = note, link, bold, short
        return cell


@dataclass(frozen=True)
class Sheet:
    """A table for people.

    heads: of its columns; texts: those of them that hold words, set to the left, besides the first column. narrow: the
    heads that a terminal of 80 columns has room for (empty: all). groups: (title, number of columns) above the heads.
    note: what is to be said below it; legend: names that occur in it and what they mean. folded: a page shows its
    title alone until it is opened. terminal, page: whether the end of a command and the page show it. keys: how many
    columns tell rows apart, from the left.
    """

    title: str
    heads: Sequence[str]
    cells: Sequence[Sequence[str]]
    note: str = ""
    narrow: Sequence[str] = ()
    texts: Sequence[str] = ()
    groups: Sequence[tuple[str, int]] = ()
    legend: Mapping[str, str] = field(default_factory=dict)
    folded: bool = False
    terminal: bool = True
    page: bool = True
    keys: int = 1

    def shown(self, width: int) -> Group:
        """The sheet as a terminal of `width` columns shows it: no cell is broken.

        Columns that there is no room for stand in a further table below, beside the first `keys` columns.
        """
        places = [
            place for place, head in enumerate(self.heads) if width >= WIDE or not self.narrow or head in self.narrow
        ]
        return Group(Text(shown(self.title), style="italic"), *map(self._table, self._blocks(places, width)))

    def _blocks(self, places: Sequence[int], width: int) -> list[list[int]]:
        """The `places` of the columns of each table, as many as `width` has room for, the first `keys` in every one."""
        widths = [
            2 + max(cell_len(_terminal_text(text).plain) for text in (head, *(cells[place] for cells in self.cells)))
            for place, head in enumerate(self.heads)
        ]  # two spaces part columns
        keys, others = list(places[: self.keys]), places[self.keys :]
        blocks = [list(keys)]
        for place in others:
            if len(blocks[-1]) > len(keys) and sum(widths[at] for at in (*blocks[-1], place)) > width:
                blocks.append(list(keys))
            blocks[-1].append(place)
        return blocks

    def _table(self, places: Sequence[int]) -> Table:
        """A table of the columns at `places`."""
        table = Table(header_style="bold", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        alone = len(places) == self.keys + 1  # then it may be wider than the terminal
        for place in places:
            left = place == 0 or self.heads[place] in self.texts
            table.add_column(_terminal_text(self.heads[place]), justify="left" if left else "right", no_wrap=not alone)
        for cells in self.cells:
            table.add_row(*(_terminal_text(cells[place]) for place in places))
        return table

    def print(self, console: Console | None = None) -> None:
        """Prints the sheet."""
        console = console or Terminal()
        console.print(self.shown(console.width))


def _terminal_text(cell: str) -> Text:
    if not isinstance(cell, Cell):
        return Text(shown(cell))
    return Text(shown(cell.short or cell), style="bold green" if cell.bold else "")


def markdown(sheets: Iterable[Sheet]) -> str:
    """The sheets as Markdown tables under headings."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(map(markdown_text, cells)) + " |"

    parts = []
    for sheet in sheets:
        rule = "| " + " | ".join("---" for _ in sheet.heads) + " |"
        parts.append(
            "\n".join([f"## {markdown_text(sheet.title)}", "", line(sheet.heads), rule, *map(line, sheet.cells)])
        )
    return "\n\n".join(parts) + "\n"


def latex(sheets: Iterable[Sheet]) -> str:
    """The sheets as LaTeX tabulars, to be put into tables; they need the package booktabs."""

    def line(cells: Sequence[str]) -> str:
        text = " & ".join(map(latex_text, cells))
        return "  " + "{}" * text.startswith(("[", "*")) + text + r" \\"  # an argument of the line before, else

    parts = ["% needs \\usepackage{booktabs}"]
    for sheet in sheets:
        body = [r"  \toprule", line(sheet.heads), r"  \midrule", *map(line, sheet.cells), r"  \bottomrule"]
        begin = f"\\begin{{tabular}}{{{'l' * len(sheet.heads)}}}"
        parts.append("\n".join([f"% {latex_text(sheet.title)}", begin, *body, r"\end{tabular}"]))
    return "\n\n".join(parts) + "\n"
