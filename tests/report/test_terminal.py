"""The table on the terminal: every level, the ticket marked where it leads, and no wider than the screen."""

import io
from pathlib import Path

import pytest
from lth.report.terminal import print_summary, summary_table
from rich.console import Console

from lth.report.statistics import percent
from lth.report.tables import RESULTS


def rows(arms):
    return [
        {
            **dict.fromkeys(RESULTS),
            "level": level,
            "arm": arm,
            "density": 0.8**level,
            "weights_left": round(266_200 * 0.8**level),
            "early_stop_test_accuracy": 0.98 - 0.01 * place,
            "early_stop_iteration": 15_000,
            "run": f"{level}{arm}",
        }
        for level in range(3)
        for place, arm in enumerate(arms)
        if level or arm == "ticket"
    ]


def shown(table, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return console.file.getvalue()


def test_iterations_are_shown_where_there_is_room():
    for width, room in ((100, True), (60, False)):
        text = shown(summary_table(rows(["ticket", "reinit", "scratch"]), width), width)
        assert ("15,000" in text) is room
        assert max(map(len, text.splitlines())) <= width
        assert all(f"{percent(0.8**level)}%" in text for level in range(3))


def test_an_early_stop_that_may_come_later_is_a_lower_bound():
    made = [row | {"early_stop_censored": row["level"] == 1} for row in rows(["ticket", "reinit"])]
    lines = shown(summary_table(made, 100), 100).splitlines()
    assert [("@≥15,000" in line, "@ 15,000" in line) for line in lines if "15,000" in line] == [
        (False, True), (True, False), (False, True),
    ]  # fmt: skip
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("leader", [0, 1])
def test_the_ticket_is_bold_only_where_it_leads(leader):
    table = summary_table(rows(["ticket", "reinit"] if leader == 0 else ["reinit", "ticket"]), 100)
    cells = table.columns[3 if leader == 0 else 4]._cells
    assert ("bold" in str(cells[1].style)) is (leader == 0)


def test_the_summary_says_what_was_trained_and_where_it_lies(capsys):
    print_summary(
        rows(["ticket", "reinit"]),
        "One seed: [no] verdict.",
        Path("out/[1]"),
        3.2,
        {"0ticket", "1ticket", "1reinit", "2ticket"},
    )
    text = capsys.readouterr().out
    assert "One seed: [no] verdict." in text and "4 trained, 1 found in the store, 3 s." in text and "out/[1]" in text
