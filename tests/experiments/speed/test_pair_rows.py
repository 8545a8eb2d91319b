"""What `lth speed` keeps and shows of deep networks on two cores: the faster usual way over ours, and its bound."""

import pytest
from lth.experiments.speed.answer import answer, sheets
from lth.experiments.speed.figures import FIGURES
from lth.experiments.speed.pair import (
    OURS_BFLOAT16,
    OURS_COMPILED,
    OURS_PAIR,
    PAIR_WAYS,
    USUAL_PAIR,
    USUAL_THREADS,
    series,
)
from lth.experiments.speed.pair_rows import pair_rows, pair_sheet
from lth.experiments.speed.tables import RATIOS, TIMES
from lth.experiments.speed.ways import WAYS

from lth.report.results import Results
from lth.report.terminal import Terminal

MEDIANS = {USUAL_THREADS: 600.0, USUAL_PAIR: 500.0, OURS_PAIR: 200.0, OURS_COMPILED: 400.0, OURS_BFLOAT16: 200.0}


def results(bfloat16: bool, networks=("resnet20", "vgg11")) -> Results:
    places = series([1.0, 0.1], () if bfloat16 else (OURS_BFLOAT16,))
    times = {}
    for name, (way, density) in places.items():
        median = MEDIANS[way] * (0.4 if way == OURS_PAIR and density < 1 else 1)
        times[name] = [0.9 * median, median, 2 * median]
    tables: dict[str, list] = {"speed": [], "ratios": [], "measures": []}
    for network in networks:
        for table, row in pair_rows(network, places, times):
            tables[table].append(row)
    return Results(tables)


@pytest.mark.parametrize("bfloat16", [True, False])
def test_a_ratio_is_of_the_faster_usual_way_and_ours(bfloat16):
    rows = results(bfloat16, ["vgg11"])
    assert {row["way"] for row in rows["speed"]} == set(PAIR_WAYS) - (set() if bfloat16 else {OURS_BFLOAT16})
    assert all(set(row) == set(TIMES.names) and row["blocks"] == 3 for row in rows["speed"])
    assert all(set(row) == set(RATIOS.names) and row["above"] == USUAL_PAIR for row in rows["ratios"])
    ratios = {(row["below"], row["density"]): (row["ratio"], row["goal"]) for row in rows["ratios"]}
    expected = {
        (OURS_PAIR, 1.0): (2.5, "at least 2"),
        (OURS_PAIR, 0.1): (6.25, "at least 2"),
        (OURS_COMPILED, 1.0): (1.25, "at least 2"),
    }
    assert ratios == expected | ({(OURS_BFLOAT16, 1.0): (2.5, "at least 3")} if bfloat16 else {})
    assert not set(PAIR_WAYS) & set(WAYS)


def test_images_in_a_second_fit_a_terminal_of_80_columns(capsys):
    sheet = pair_sheet(results(bfloat16=True))
    sheet.print(Terminal(width=80))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80 and sum("recipe" in line for line in lines) == 1
    cells = {(row[0], row[1], row[2]): row[3:] for row in sheet.cells}
    assert cells["vgg11", "10.0%", "float32"] == ["256", "1,600", "6.25", "6.25 to 6.25", "at least 2", "yes"]
    assert cells["vgg11", "100%", "bfloat16"][-2:] == ["at least 3", "no"]
    assert "one core with a DataLoader in its process" in sheet.note and "bfloat16 was left out" not in sheet.note


def test_what_was_left_out_is_said():
    (text,) = answer(results(bfloat16=False))
    assert "ours trains resnet20 and vgg11 on 2.50 to 6.25 times as many images" in text
    assert text.endswith(
        "; through torch.compile 1.25 times; bfloat16, which needs a processor with arithmetic of it, was not timed."
    )
    assert "In this run bfloat16, which" in pair_sheet(results(bfloat16=False)).note
    assert answer(results(bfloat16=True))[0].endswith("; in bfloat16 2.50 times.")


def test_the_tables_and_the_figure_of_one_core_leave_two_cores_out():
    rows = results(bfloat16=True)
    assert [sheet.title.split(":")[0] for sheet in sheets(rows)] == ["Deep networks with flip and crop on two cores"]
    assert FIGURES[0].sketch(rows) is None
