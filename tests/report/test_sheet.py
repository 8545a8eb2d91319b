"""A table for people: no cell is broken on a terminal, and Markdown and LaTeX show what it says."""

import io
import re

import pytest
from rich.console import Console

from lth.report.sheet import WIDE, Cell, Sheet, latex, markdown

SHEET = Sheet("my_data", ["density (%)", "a|b"], [["1", "x_y & z|"]])


def printed(sheet: Sheet, width: int) -> str:
    """What a terminal of `width` columns shows, with its colours and weights."""
    console = Console(file=io.StringIO(), width=width, color_system="standard", force_terminal=True)
    sheet.print(console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def lines(sheet: Sheet, width: int) -> list[str]:
    """The lines of text that a terminal of `width` columns shows."""
    console = Console(file=io.StringIO(), width=width)
    sheet.print(console)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_a_narrow_terminal_shows_the_narrow_columns_and_a_wide_one_all() -> None:
    sheet = Sheet("A title", ["level", "n", "reasons"], [["1", "3", "because"]], narrow=["level", "n"])
    assert "because" not in printed(sheet, 80) and "because" in printed(sheet, WIDE)
    assert "because" in printed(Sheet("A title", sheet.heads, sheet.cells), 80), "without a choice all are shown"


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_columns_without_room_stand_below_with_the_keys_again_and_no_cell_is_broken(width: int) -> None:
    arms = ["ticket", "reinit", "reinit_plus", "shuffle", "scratch", "small_dense", "finetune", "restart", "set"]
    cells = [
        [str(level), "80.0%", *(f"{10 * place + level + 10}.25 @  1,000" for place in range(9))] for level in (0, 1)
    ]
    shown = lines(Sheet("Accuracy", ["level", "density", *arms], cells, keys=2), width)
    assert max(map(len, shown)) <= width and "…" not in "".join(shown)
    text = "\n".join(shown)
    assert all(text.count(cell) == 1 for row in cells for cell in row[2:])
    heads = [line.split() for line in shown if "level" in line]
    assert all(head[:2] == ["level", "density"] for head in heads)
    assert [arm for head in heads for arm in head[2:]] == arms
    assert text.count("Accuracy") == 1 and (len(heads) == 1 or width < 200)


def test_as_many_columns_share_a_table_as_there_is_room_for() -> None:
    sheet = Sheet("x", ["a", "b", "c"], [["1", "22", "333"]])
    width = len(lines(sheet, 200)[-2])
    assert sum("a" in line for line in lines(sheet, width)) == 1
    assert sum("a" in line for line in lines(sheet, width - 1)) == 2


def test_a_column_that_is_wider_than_the_terminal_has_a_table_of_its_own() -> None:
    shown = lines(Sheet("x", ["level", "n", "remark"], [["1", "3", "r" * 70]]), 60)
    assert [line.split() for line in shown if "level" in line] == [["level", "n"], ["level", "remark"]]


def test_a_cell_is_bold_where_it_is_to_be_and_short_where_a_page_says_more() -> None:
    cells = [["1", Cell("97.0", bold=True), Cell("undecided: fast?", short="undecided")], ["2", Cell("95.0"), ""]]
    text = printed(Sheet("x", ["level", "ticket", "verdict"], cells), 80)
    assert re.search(r"\x1b\[1;32m *97.0\x1b", text) and not re.search(r"\x1b\[[\d;]*m *95.0", text)
    assert "undecided" in text and "fast?" not in text


def test_words_are_set_to_the_left_and_numbers_to_the_right() -> None:
    sheet = Sheet("x", ["arm", "note", "n"], [["a", "b", "1"], ["long arm", "long note", "1000"]], texts=["note"])
    row = next(line for line in lines(sheet, 80) if line.split() == ["a", "b", "1"])
    assert row.index("a") < row.index("b") < 13 and row.rstrip().endswith("   1")


def test_nothing_that_looks_like_markup_is_taken_for_it() -> None:
    text = printed(Sheet("[red]a title", ["x [/]"], [["[bold]1"]]), 80)
    assert "[red]a title" in text and "x [/]" in text and "[bold]1" in text


def test_latex_is_a_booktabs_tabular() -> None:
    made = latex([SHEET]).splitlines()
    assert r"\begin{tabular}{ll}" in made and r"  1 & x\_y \& z| \\" in made
    assert [line.strip() for line in made if "rule" in line] == [r"\toprule", r"\midrule", r"\bottomrule"]


def test_markdown_escapes_bars() -> None:
    assert markdown([SHEET]).splitlines()[2:] == [r"| density (%) | a\|b |", "| --- | --- |", r"| 1 | x_y & z\| |"]
