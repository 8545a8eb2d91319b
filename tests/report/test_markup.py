"""Names of anyone's in every medium that a report is written in: they are shown, and are no markup."""

import io

import pytest

from lth.report.figures.drawing import MOST, legible
from lth.report.markup import latex_text, markdown_text
from lth.report.page import Page
from lth.report.sheet import Cell, Sheet, latex, markdown
from lth.report.terminal import Terminal, say

NAMES = [
    "x\n\\immediate\\write18{touch pwned}\n",
    "\x1b[31mred\x1b[0m\x07\r",
    "<img src=x onerror=alert(1)>",
    "[red]name[/red] :bomb:",
    "[link](javascript:alert(1))",
    "=cmd|' /C calc'!A0",
    "$\\frac{$ `code` *bold* &lt; ~",
    "\u202egnp.exe\u2028next",
    "[1] first in its line",
]
SHEETS = [Sheet(name, ["a", name], [[name, Cell("1", note=name)]], legend={name: name}) for name in NAMES]


@pytest.mark.parametrize(("name", "sheet"), list(zip(NAMES, SHEETS, strict=True)))
def test_no_medium_takes_a_name_for_markup(name: str, sheet: Sheet) -> None:
    plain, sheets = Sheet("t", ["a", "b"], [["1", "2"]]), [sheet]
    for made, usual in ((latex(sheets), latex([plain])), (markdown(sheets), markdown([plain]))):
        assert len(made.splitlines()) == len(usual.splitlines())
        assert all(letter.isprintable() for line in made.splitlines() for letter in line)
    assert "<img" not in markdown(sheets) and "[link](" not in markdown(sheets)
    assert not any(line.startswith("\\imm") or line.startswith("  [") for line in latex(sheets).splitlines())


@pytest.mark.parametrize(("name", "sheet"), list(zip(NAMES, SHEETS, strict=True)))
def test_a_terminal_shows_names_as_they_are(name: str, sheet: Sheet) -> None:
    console = Terminal(file=io.StringIO(), width=300)
    sheet.print(console)
    say(console, name)
    console.print(name, name)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert "[red]name[/red] :bomb:" in text or "bomb" not in name


def test_a_page_shows_control_characters_and_no_tags(tmp_path) -> None:  # type: ignore[no-untyped-def]
    Page(NAMES[0], NAMES, sheets=SHEETS, facts=dict(zip(NAMES, NAMES, strict=True)), config={"name": NAMES[1]}).write(
        tmp_path / "page.html"
    )
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<img src=x" not in text and all(letter.isprintable() or letter == "\n" for letter in text)


def test_a_figure_cuts_long_names_and_shows_control_characters() -> None:
    assert legible("a\x1bb\nsecond") == "a\\x1bb\nsecond"
    assert len(legible("a" * 10_000)) == MOST


def test_texts_are_readable_in_latex_and_markdown() -> None:
    assert latex_text(r"50% of a_b & {c} #1 $2 ~^\ ") == (
        r"50\% of a\_b \& \{c\} \#1 \$2 \textasciitilde{}\textasciicircum{}\textbackslash{} "
    )
    assert latex_text("≥ 3") == r"$\geq$ 3"
    assert markdown_text("x_y & z, 97.1 [96, 98]*") == r"x_y & z, 97.1 [96, 98]*"
