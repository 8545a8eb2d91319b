"""The tables of one seed for people: every level, the best arm marked, and no wider than the terminal."""

import io

import pytest
from lth.experiments.imp.sheets import levels, metric_cells, searches, sheets, stop_cell, summary
from rich.console import Console

from lth.compression.search_cost import SEARCH
from lth.lottery.arms import ARMS
from lth.report.results import Results
from lth.report.sheet import DASH
from lth.report.statistics import percent
from lth.report.tables import RESULTS


def result(level, arm="ticket", draw=0, **values):
    """One row of results; the ticket leads from level 2 on."""
    accuracy = 0.9 if arm == "ticket" else 0.92 - 0.03 * level - 0.01 * draw
    return {
        **dict.fromkeys(RESULTS),
        "level": level,
        "arm": arm,
        "draw": draw,
        "status": "done",
        "density": 0.8**level,
        "sparsity": 1 - 0.8**level,
        "weights_left": round(43000 * 0.8**level),
        "early_stop_iteration": 1000 * level,
        "early_stop_censored": level == 3,
        "early_stop_test_accuracy": accuracy,
        "final_test_accuracy": accuracy,
        **values,
    }


def replicate(arms=("reinit",), draws=2, **values):
    """Results of the ticket at levels 0 to 3 and of two draws of controls from 1, with `values` in every row."""
    controls = [result(level, arm, draw, **values) for level in (1, 2, 3) for arm in arms for draw in range(draws)]
    return [result(level, **values) for level in range(4)] + controls


def printed(sheet, width):
    console = Console(file=io.StringIO(), width=width)
    sheet.print(console)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 11])
def test_the_table_on_the_terminal_fits_and_shows_every_level_and_arm(width, count):
    arms = [name for name in ARMS if name != "ticket"][:count]
    sheet = summary(replicate(arms))
    text = printed(sheet, width)
    assert max(map(len, text.splitlines())) <= width and "…" not in text
    assert all(f"{percent(0.8**level)}%" in text for level in range(4))
    assert [head for head in sheet.heads if head in ("ticket", *arms)] == ["ticket", *arms]
    assert all(text.count(f" {arm}") >= 1 for arm in arms) and sheet.terminal and not sheet.page
    assert ("@" in text) is (count <= 2), "iterations are shown where there is room"


def test_an_early_stop_that_may_come_later_is_a_lower_bound():
    cells = [row[3] for row in summary(replicate()).cells]
    assert cells == ["90.00 @      0", "90.00 @  1,000", "90.00 @  2,000", "90.00 @≥ 3,000"]
    assert len({len(cell) for cell in cells}) == 1


def test_the_highest_accuracy_of_a_level_is_bold_where_there_are_several():
    rows = summary(replicate()).cells
    assert [[cell.bold for cell in row[3:]] for row in rows] == [
        [False, False],
        [True, False],
        [True, False],
        [True, False],
    ]
    equal = summary([result(1), result(1, "reinit", early_stop_test_accuracy=0.95)]).cells[0]
    assert [cell.bold for cell in equal[3:]] == [False, True]


def test_the_table_on_the_page_has_a_row_for_every_level():
    sheet = levels(replicate())
    assert sheet.cells == [
        ["0", "100", "90.00", DASH, "0", DASH, "0.0", "43,000"],
        ["1", "80.0", "90.00", "88.50", "1,000", "1,000", "20.0", "34,400"],
        ["2", "64.0", "90.00", "85.50", "2,000", "2,000", "36.0", "27,520"],
        ["3", "51.2", "90.00", "82.50", "≥ 3,000", "≥ 3,000", "48.8", "22,016"],
    ]
    assert (
        sheet.cells[1][3].note == "88.00 to 89.00" and sum(cell.bold for row in sheet.cells for cell in row[2:3]) == 3
    )
    assert sum(count for _, count in sheet.groups) == len(sheet.heads) == 8
    assert list(sheet.legend) == ["ticket", "reinit"] and all(sheet.legend.values())
    for word in ("Bold marks", "means over draws", "lowest validation loss", "≥ marks", "results.csv"):
        assert word in sheet.note


def test_the_density_of_all_parameters_stands_beside_that_of_the_prunable_ones_where_it_is_known():
    rows = [row | {"parameter_density": 0.3 + 0.7 * row["density"]} for row in replicate()]
    sheet = levels(rows)
    assert [row[-1] for row in sheet.cells] == ["100", "86.0", "74.8", "65.8"] and sheet.heads[-1] == "of all (%)"
    assert sum(count for _, count in sheet.groups) == len(sheet.heads) == 9 and "all parameters" in sheet.note
    rows[0]["parameter_density"] = None  # from before there was the column
    assert levels(rows).cells[0][-1] == DASH and "of all (%)" not in levels(replicate()).heads


def test_without_a_validation_split_there_are_no_early_stop_columns():
    early = dict.fromkeys(("early_stop_iteration", "early_stop_censored", "early_stop_test_accuracy"))
    sheet = levels(replicate(**early))
    assert ("test accuracy at the end (%)", 2) in sheet.groups and len(sheet.heads) == 6
    assert "early stop" not in sheet.note and "≥" not in sheet.note
    assert "@" not in printed(summary(replicate(**early)), 80)


def test_a_cell_says_how_many_draws_diverged():
    column = "final_test_accuracy"
    draws = [
        {"arm": "reinit", column: value, "status": status}
        for value, status in ((0.5, "done"), (None, "diverged"), (0.6, "done"))
    ]
    (cell,) = metric_cells(draws, ["reinit"], column)
    assert (cell, cell.note, cell.bold) == ("55.00", "50.00 to 60.00, 1 of 3 diverged", False)
    assert metric_cells(draws[1:2], ["reinit", "shuffle"], column) == ["diverged", DASH]


def test_a_mean_early_stop_is_a_lower_bound_where_one_draw_is_censored():
    draws = [{"early_stop_iteration": 1500, "early_stop_censored": False}]
    assert stop_cell(draws) == "1,500" and stop_cell([]) == DASH
    assert stop_cell([*draws, {"early_stop_iteration": 2000, "early_stop_censored": True}]) == "≥ 1,750"


def test_what_the_search_took_is_on_the_page_where_it_is_known():
    row = {"level": 2, "density": 0.64, **dict(zip(SEARCH, (2, 4000, 6.25, 2.5e12, 31.6), strict=True))}
    (sheet,) = searches([row])
    assert sheet.cells == [["2", "64.0", "2", "4,000", "6.25", "2.5", "32"]] and not sheet.terminal
    assert searches([]) == []
    assert [x.title for x in sheets(Results({"results": replicate(), "search": [row]}))][1:] == [
        "Results",
        "Search cost",
    ]
