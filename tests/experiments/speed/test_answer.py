"""What `lth speed` says of its rows: ratios of medians within one run, bounds, a figure."""

import pytest
from lth.experiments.speed.answer import answer, sheets
from lth.experiments.speed.figures import FIGURES
from lth.experiments.speed.goals import GOALS, LADDER, LADDER_USUAL, RATIO_GOALS, Goal
from lth.experiments.speed.networks import NETWORKS
from lth.experiments.speed.rows import measure_row, quartiles, ratio_rows
from lth.experiments.speed.settings import DENSITIES, SpeedSettings
from lth.experiments.speed.tables import MEASURES, RATIOS, TIMES
from lth.experiments.speed.ways import COMPARED, DENSE, FLOOR, OURS, SPARSE, USUAL, WAYS

from lth.core.plain_yaml import parse_yaml
from lth.core.tables import Row
from lth.discovery import place
from lth.report.results import Results
from lth.report.terminal import Terminal

TIMES_OF = {OURS: [2.0, 3.0, 10.0], DENSE: [4.0, 6.0, 6.0], USUAL: [30.0, 33.0, 36.0], FLOOR: [2.0, 2.0, 3.0]}


def results(densities=(1.0, 0.1)) -> Results:
    speed: list[Row] = []
    ratios: list[Row] = []
    for network in NETWORKS:
        for density in densities:
            about = {"network": network, "density": density}
            for way, values in TIMES_OF.items():
                speed.append(about | {"way": way, "batch_size": 60, **quartiles(values), "blocks": 3})
            for row in ratio_rows(TIMES_OF):
                goal = RATIO_GOALS.get((network, density, row["above"], row["below"]))
                ratios.append(about | row | {"goal": goal and str(goal)})
    measures = [measure_row(LADDER, "times", [0.4]), measure_row(LADDER_USUAL, "times", [16.0])]
    for table, rows in ((TIMES, speed), (RATIOS, ratios), (MEASURES, measures)):
        assert all(list(row) <= list(table.names) or set(row) == set(table.names) for row in rows)
    return Results({"speed": speed, "ratios": ratios, "measures": measures}, SpeedSettings(blocks=3))


def test_a_ratio_is_of_medians_and_its_quartiles_of_turns():
    rows = {(row["above"], row["below"]): row for row in ratio_rows(TIMES_OF)}
    assert set(rows) == {pair for pair in COMPARED if SPARSE not in pair and "sparselab" not in pair}
    assert rows[OURS, DENSE]["ratio"] == 0.5 and rows[USUAL, OURS]["ratio"] == 11
    assert rows[OURS, DENSE]["quartile_1"] == 0.5 and rows[OURS, DENSE]["quartile_3"] == pytest.approx(
        (0.5 + 5 / 3) / 2, abs=1e-4
    )


def test_one_block_has_no_quartiles():
    assert quartiles([2.0]) == {"median": 2.0, "quartile_1": None, "quartile_3": None}


def test_ratios_come_first_and_fit_a_terminal(capsys):
    first, times, bounds = sheets(results())
    assert not times.terminal and [sheet.title.split(":")[0] for sheet in (first, bounds)] == [
        "Time of an iteration", "Bounds and further measures",
    ]  # fmt: skip
    first.print(Terminal(width=80))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80 and sum("resnet20" in line for line in lines) == 2
    bounds.print(Terminal(width=80))
    assert capsys.readouterr().out.count("kept") == 1  # no column stands in a table of its own
    assert next(head for head in first.heads if "/" in head) == "ours/dense" and first.heads[-1] == "ours, ms"
    cells = {cell for row in bounds.cells for cell in row}
    assert "resnet20, 10.0%: ours/dense" in cells and "at most 0.6" in cells and LADDER in cells


def test_the_answer_compares_with_dense_kernels_and_the_usual_way():
    (text,) = answer(results())
    assert "At 10.0% of the weights an iteration of ours takes 0.50 of the time" in text
    assert "The usual way takes 11.0 times as long as ours." in text
    assert "A search of Lenet-300-100 takes 0.40" in text and "16.0 times as long as ours" in text
    assert answer(Results({})) == [] and sheets(Results({})) == []


def test_a_panel_for_each_network_with_the_line_of_proportional_cost():
    sketch = FIGURES[0].sketch(results())
    assert sketch is not None
    panels = [axes for axes in sketch.figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in panels] == list(NETWORKS)
    for axes in panels:
        assert axes.get_xscale() == axes.get_yscale() == "log"
        assert [6.0, pytest.approx(0.6)] in [list(line.get_ydata()) for line in axes.lines]
    assert "proportion to the weights" in sketch.caption and "conv2, ours: 3 ms at 100%" in sketch.alt
    assert FIGURES[0].sketch(results([1.0])) is None


def test_every_bound_is_of_something_that_is_measured():
    text = (place("conf") / "preset/speed/paper.yaml").read_text()
    densities = parse_yaml(text)["densities"]
    assert set(DENSITIES) <= set(densities)
    for network, density, above, below in RATIO_GOALS:
        assert network in NETWORKS and density in densities and (above, below) in COMPARED
        assert {above, below} <= set(WAYS)
    assert all(isinstance(goal, Goal) for goal in GOALS.values())
    assert Goal(2).kept(2) and not Goal(2).kept(2.1) and Goal(2, least=True).kept(2.1) and str(Goal(2)) == "at most 2"
