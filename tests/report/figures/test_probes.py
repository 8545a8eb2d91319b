"""The figure of probes: a panel for what was measured, a row a probe, and the sparsest level in words."""

import pytest
from lth.report.figures.probes import PANELS, sketch_probes

from lth.analysis.level_probes import PROBES_OF_LTH
from lth.analysis.probes import LINE_EXAMPLES, tables_of

METRICS = {one.name: [column.name for column in one.columns if column != LINE_EXAMPLES] for one in PROBES_OF_LTH}
PROBES = tables_of([])[0].names
ARMS = ("ticket", "reinit", "small_dense")


def rows_of(*columns, levels=3):
    """Rows of `probes.csv` where ticket and reinit have a value in `columns`, small_dense in the first alone."""
    return [
        dict.fromkeys(PROBES)
        | {"run": f"{level}{arm}", "level": level, "arm": arm, "draw": 0, "density": 0.5**level}
        | {column: (level + 0.25) * (1 + number) for column in (columns[:1] if arm == "small_dense" else columns)}
        for level in range(levels)
        for number, arm in enumerate(ARMS)
    ]


def results_of(probes):
    return [row | {"status": "done", "model": "small"} for row in probes]


def panels(figure):
    return [axes for axes in figure.axes if axes.axison]


@pytest.mark.parametrize("probe", METRICS)
def test_what_was_measured_has_a_panel_with_its_arms_and_nothing_else_has(probe):
    probes = rows_of(*METRICS[probe])
    shown = [panel for across in PANELS for panel in across if panel[0] in METRICS[probe]]
    sketch = sketch_probes(results_of(probes), probes)
    assert [axes.get_title("left") for axes in panels(sketch.figure)] == [title for _, title, _ in shown]
    for axes, (column, _, factor) in zip(panels(sketch.figure), shown, strict=True):
        lines = {line.get_color(): list(line.get_ydata()) for line in axes.lines}
        expected = [factor * row[column] for row in probes if row["arm"] == "ticket"]
        assert len(lines) == (3 if column == METRICS[probe][0] else 2)
        assert lines["#0072B2"] == pytest.approx(expected)
        low, high = axes.get_ylim()
        assert low < min(map(min, lines.values())) and high > max(map(max, lines.values()))


def test_all_panels_are_in_rows_and_each_column_says_weights_left_once():
    probes = rows_of(*(metric for metrics in METRICS.values() for metric in metrics))
    sketch = sketch_probes(results_of(probes), probes)
    assert len(panels(sketch.figure)) == sum(map(len, PANELS))
    assert [axes.get_xlabel() for axes in panels(sketch.figure)].count("weights left (%)") == 3
    assert "small_dense has other shapes" in sketch.caption and "fixed examples" not in sketch.caption
    assert (
        "At 25.0% of the weights" in sketch.alt
        and "barrier of test error (points): ticket 225, reinit 450" in sketch.alt
    )


def test_the_columns_of_other_probes_have_panels_of_their_own():
    probes = [row | {"weight_norm": -1.5 * row["level"], "remark": "text"} for row in rows_of("distance_to_init")]
    first, second = panels(sketch_probes(results_of(probes), probes).figure)
    assert (first.get_title("left"), second.get_title("left")) == ("L2 distance to own start", "weight norm")
    assert second.get_ylim()[0] < -3


def test_lines_on_some_examples_are_said_to_be_so():
    probes = [row | {"line_examples": 1_000} for row in rows_of(*METRICS["interpolation"])]
    assert (
        "Barriers were seen on 1,000 fixed examples of each split" in sketch_probes(results_of(probes), probes).caption
    )


def test_without_two_levels_or_any_value_there_is_no_figure():
    one = rows_of("distance_to_init", levels=1)
    empty = [row | {"distance_to_init": None} for row in rows_of("distance_to_init")]
    assert (
        sketch_probes(results_of(one), one) is sketch_probes(results_of(empty), empty) is sketch_probes([], []) is None
    )
