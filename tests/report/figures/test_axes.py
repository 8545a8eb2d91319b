"""What figures are made of: axes with plain labels, arms that are told apart, means of draws."""

import matplotlib
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lth.report.figures.axes import (
    LEGEND_ROW,
    PLAIN,
    STYLES,
    Summary,
    arm_style,
    density_axis,
    fitting,
    legend_above,
    log_axis,
    summarize,
)


def test_density_falls_to_the_right_with_plain_labels():
    with matplotlib.rc_context(PLAIN):
        figure = Figure()
        axes = figure.subplots()
        density_axis(axes, [0.8**level for level in range(22)])
        figure.draw_without_rendering()
    left, right = axes.get_xlim()
    assert left > 100 > right > 0
    labels = [tick.get_text() for tick in axes.get_xticklabels()]
    assert labels[0] == "100" and labels[-1] == "0.92" and "51.2" in labels
    assert len(labels) <= 8
    assert len(axes.get_xticks(minor=True)) + len(labels) >= 22


def test_nothing_left_is_no_place_on_the_density_axis():
    axes = Figure().subplots()
    density_axis(axes, [1.0, 0.1, 0.0])
    assert axes.get_xlim()[1] > 0


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.21, 0.34], {"0.25", "0.3"}), ([0.02, 0.9], {"0.05", "0.5"}), ([1e-4, 5], {"0.001", "1"})],
)
def test_a_logarithmic_axis_is_labelled_in_plain_numbers(values, expected):
    figure = Figure()
    axes = figure.subplots()
    axes.plot([1, 2], values)
    log_axis(axes, [*values, 0.0])
    figure.draw_without_rendering()
    assert expected <= {tick.get_text() for tick in axes.get_yticklabels()}


def test_a_logarithmic_axis_across_has_commas_and_no_label_in_between():
    figure = Figure()
    axes = figure.subplots()
    log_axis(axes, [3000, 30000], "x")
    axes.plot([3000, 30000], [1, 2])
    figure.draw_without_rendering()
    assert {"5,000", "10,000", "20,000"} <= {tick.get_text() for tick in axes.get_xticklabels()}
    assert {tick.get_text() for tick in axes.get_xticklabels(minor=True)} == {""}


@pytest.mark.parametrize("arm", STYLES)
def test_the_marker_of_an_arm_is_one_shape_without_text(arm):
    assert not str(STYLES[arm].marker).startswith("$")  # text: figures parse no formulas


def test_arms_differ_in_colour_marker_and_dashes_and_stand_out_from_white_in_grey():
    for values in ([style.colour for style in STYLES.values()], [style.marker for style in STYLES.values()]):
        assert len(set(values)) == len(STYLES)
    assert len({str(style.dashes) for style in STYLES.values()}) == len(STYLES) - 1  # dense and ticket: two widths
    for style in STYLES.values():
        red, green, blue = to_rgb(style.colour)
        assert 0.3 * red + 0.59 * green + 0.11 * blue < 0.72


def test_an_arm_from_elsewhere_has_a_style_that_no_arm_of_ours_has():
    style = arm_style("weight_noise")
    assert style.marker not in [known.marker for known in STYLES.values()]


def test_summaries_are_means_with_the_lowest_and_highest_draw(make_row):
    rows = [make_row(5, "reinit", draw) for draw in range(3)]
    (summary,) = summarize(rows, "reinit", "early_stop_test_accuracy", 100)
    assert (summary.low, summary.mean, summary.high) == pytest.approx((78, 79, 80))
    assert not summary.censored
    assert summarize(rows, "reinit", "early_stop_iteration")[0].censored


def test_a_level_where_nothing_was_measured_breaks_the_line(make_rows, diverged):
    rows = [diverged(row) if (row["arm"], row["level"]) == ("reinit", 3) else row for row in make_rows({"reinit": 1})]
    means = [each.mean for each in summarize(rows, "reinit", "final_test_accuracy")]
    assert [mean == mean for mean in means] == [True, True, False, True, True]


def legend_of(labels):
    """How many rows and columns a legend of `labels` has, and how much higher it makes the figure."""
    figure = Figure(figsize=(6.9, 3))
    legend_above(figure, [Line2D([], [], label=label) for label in labels])
    (legend,) = figure.legends
    return -(-len(labels) // legend._ncols), legend._ncols, round(figure.get_figheight() - 3, 3)


def test_a_legend_is_in_as_few_rows_as_the_width_allows_and_takes_no_room_from_the_panels():
    assert legend_of(["ticket", "shuffle", "dense", "hollow: censored (last 5%)"]) == (1, 4, 0)
    assert legend_of(["conv2", "ticket", "conv4", "reinit", "conv6", "dense"]) == (2, 3, 0)
    assert legend_of(["x" * 40] * 3) == (2, 2, 0)
    rows, _, higher = legend_of([*list(STYLES)[:13], "hollow: censored (last 5%)"])
    assert rows == 3 and higher == LEGEND_ROW


def test_equal_values_have_limits_around_them():
    low, high = fitting([Summary(0.5, 99.0, 99.0, 99.0), Summary(0.4, 99.0 + 1e-13, 99.0, 99.0 + 1e-13)])
    assert low < 98.999 and high > 99.001


def test_limits_hold_every_mean_but_not_an_interval_that_would_flatten_the_lines():
    low, high = fitting([Summary(0.5, 98.0, 90.0, 106.0), Summary(0.4, 97.0, 96.9, 97.1)])
    assert low < 97.0 and high > 98.0 and high - low < 3
