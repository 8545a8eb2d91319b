"""Lines against density: one declaration draws one seed with bands and several with error bars."""

from dataclasses import replace

import pytest
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb

from lth.lottery.names import meaning
from lth.report.figures.axes import STYLES, ArmStyle
from lth.report.figures.lines import LineFigure
from lth.report.figures.series import (
    ACCURACY_EARLY,
    ACCURACY_END,
    EARLY_STOP,
    TRAIN_ACCURACY_END,
    Line,
    Measure,
    arm_lines,
    arm_meanings,
)
from lth.report.intervals import min_max, t_interval
from lth.report.results import Results

BOTH = LineFigure("both", "Accuracy and early stop", "An early sentence.", (ACCURACY_EARLY, EARLY_STOP))
NORM = LineFigure("norm", "Norm", "Of the gradient.", (Measure("grad_norm_init", "norm", log=True),), dense=False)


def of(rows, bars=None, **tables):
    return Results({"results": rows, **tables}, bars=bars)


def lines_of(axes, arm):
    """The lines of `arm` in a panel, without the dense network's thin one."""
    return [line for line in axes.lines if line.get_color() == STYLES[arm].colour and line.get_marker() != ""]


def test_one_declaration_draws_bands_over_draws_and_error_bars_over_seeds(make_rows):
    band = BOTH.sketch(of(make_rows({"reinit": 3})))
    bars = BOTH.sketch(of(make_rows({"reinit": 3}, seeds=3), t_interval))
    for made, kind, other in ((band, PolyCollection, LineCollection), (bars, LineCollection, PolyCollection)):
        assert [axes.get_ylabel() for axes in made.figure.axes] == [ACCURACY_EARLY.label, EARLY_STOP.label]
        collections = made.figure.axes[0].collections
        assert any(isinstance(x, kind) and len(x.get_paths()) for x in collections)
        assert not any(isinstance(x, other) and len(x.get_paths()) for x in collections)
        names = [text.get_text() for text in made.figure.legends[0].get_texts()]
        assert names == ["ticket", "reinit", "dense", "hollow: censored (last 5%)"]
    assert "For reinit: means over 3 draws, bands from the lowest to the highest." in band.caption
    assert "Means over seeds (n = 3); error bars: 95% t intervals over seeds." in bars.caption
    assert "The draws of reinit are averaged within a seed." in bars.caption


def test_a_single_seed_has_no_bars_and_says_so(make_rows):
    made = BOTH.sketch(of(make_rows({"reinit": 1}), t_interval))
    assert "One seed." in made.caption and "error bars" not in made.caption
    assert not any(len(x.get_paths()) for axes in made.figure.axes for x in axes.collections)


def test_every_panel_has_a_falling_logarithmic_density_axis(make_rows):
    for axes in BOTH.sketch(of(make_rows({"reinit": 1}))).figure.axes:
        left, right = axes.get_xlim()
        assert left > right and axes.get_xscale() == "log" and axes.get_xlabel() == "weights left (%)"


def test_the_text_for_those_who_cannot_see_it_has_the_first_and_last_value_of_each_line(make_rows):
    alt = BOTH.sketch(of(make_rows({"reinit": 1}))).alt
    assert "test accuracy at early stop (%), reinit: 88 at 80.0%, 80 at 32.8%" in alt
    assert "early-stop iteration, ticket: 600 at 100%, at least 2,000 at 32.8%;" in alt and alt.endswith(
        " of the weights."
    )


def test_what_was_not_measured_has_no_panel_and_no_line(make_rows):
    empty = dict.fromkeys(("early_stop_iteration", "early_stop_censored", "early_stop_test_accuracy"))
    made = replace(BOTH, measures=(ACCURACY_EARLY, ACCURACY_END)).sketch(of(make_rows({"reinit": 1}, **empty)))
    assert [axes.get_ylabel() for axes in made.figure.axes] == [ACCURACY_END.label] and "Hollow" not in made.caption
    assert BOTH.sketch(of(make_rows({"reinit": 1}, **empty))) is None
    assert BOTH.sketch(of(make_rows({}, levels=0))) is BOTH.sketch(of([])) is None
    for bars in (None, t_interval):
        rows = [row | {"early_stop_test_accuracy": None} for row in make_rows({"reinit": 1}) if row["arm"] == "reinit"]
        rows = make_rows({}) + rows
        made = replace(BOTH, measures=(ACCURACY_EARLY,)).sketch(of(rows, bars))
        assert [text.get_text() for text in made.figure.legends[0].get_texts()] == ["ticket", "dense"]


def test_a_figure_that_compares_needs_as_many_lines_as_it_says(make_rows):
    figure = replace(BOTH, least=2)
    assert figure.sketch(of(make_rows({}))) is None and figure.sketch(of(make_rows({"reinit": 1}))) is not None


def test_trainings_that_diverged_break_the_line_and_are_named(make_rows, diverged):
    lost = {("reinit", 3), *(("shuffle", level) for level in range(1, 6))}
    rows = make_rows({"reinit": 1, "shuffle": 1})
    rows = [diverged(row) if (row["arm"], row["level"]) in lost else row for row in rows]
    made = BOTH.sketch(of(rows))
    assert [text.get_text() for text in made.figure.legends[0].get_texts()][:3] == ["ticket", "reinit", "dense"]
    assert "of reinit at 51.2%" in made.caption
    values = lines_of(made.figure.axes[0], "reinit")[0].get_ydata()
    assert [value == value for value in values] == [True, True, False, True, True]


def test_an_arm_that_diverged_everywhere_is_named_though_it_has_no_line(make_rows, diverged):
    rows = [diverged(row) if row["arm"] == "shuffle" else row for row in make_rows({"reinit": 1, "shuffle": 1})]
    for bars in (None, t_interval):
        assert "shuffle at 80.0%, 64.0%, 51.2%, 41.0%, 32.8%" in BOTH.sketch(of(rows, bars)).caption


def test_a_norm_of_zero_has_no_place_on_a_logarithmic_axis(make_rows):
    rows = [row | ({"grad_norm_init": 0.0} if row["level"] == 5 else {}) for row in make_rows({"reinit": 1})]
    for bars in (None, t_interval):
        made = NORM.sketch(of(rows, bars))
        made.figure.draw_without_rendering()
        assert made.figure.axes[0].get_ylim()[0] > 0.1


def test_zeros_alone_have_a_linear_axis(make_rows):
    rows = [row | {"grad_norm_init": 0.0} for row in make_rows({"reinit": 1})]
    sketch = NORM.sketch(of(rows))
    assert sketch is not None and sketch.figure.axes[0].get_yscale() == "linear"


def test_equal_values_have_a_logarithmic_axis_around_them(make_rows):
    for bars in (None, t_interval):
        low, high = NORM.sketch(of(make_rows({}, seeds=2, grad_norm_init=0.1), bars)).figure.axes[0].get_ylim()
        assert low < 0.1 < high


def test_an_interval_that_reaches_to_zero_ends_at_the_edge_of_a_logarithmic_axis(make_rows):
    rows = [row | {"grad_norm_init": 0.01 + 0.2 * row["seed"]} for row in make_rows({}, seeds=3)]
    made = NORM.sketch(of(rows, t_interval))
    assert made.figure.axes[0].get_ylim()[0] > 0.01 and "extend beyond it" in made.caption


def test_points_are_means_over_seeds_of_means_over_draws_with_the_interval_asked_for(make_row):
    stops = {(0, 0): 1000, (0, 1): 3000, (1, 0): 4000, (1, 1): 6000}
    rows = [make_row(3, "reinit", draw, seed, early_stop_iteration=stop) for (seed, draw), stop in stops.items()]
    [line] = arm_lines(rows)
    [point] = line.points(EARLY_STOP, min_max)
    assert (point.mean, point.low, point.high) == (3500, 2000, 5000)
    [range_of_draws] = line.points(EARLY_STOP, None)
    assert (range_of_draws.low, range_of_draws.high) == (1000, 6000)
    rows[0]["early_stop_censored"] = True
    [bound] = line.points(EARLY_STOP, min_max)
    assert bound.censored and bound.low == bound.mean == bound.high == 3500  # no bar promises an upper end
    assert not line.points(ACCURACY_EARLY, min_max)[0].censored
    assert line.points(ACCURACY_EARLY, t_interval)[0].mean > 80  # percent


def test_limits_hold_every_mean_but_not_the_bars_of_two_seeds(make_rows):
    rows = [
        row | {"final_test_accuracy": 0.9 + 0.02 * row["seed"] - 0.001 * row["level"]} for row in make_rows({}, seeds=2)
    ]
    figure = LineFigure("end", "End", "At the end.", (ACCURACY_END,))
    [panel] = figure.panels(of(rows, t_interval))
    made = figure.sketch(of(rows, t_interval))
    low, high = made.figure.axes[0].get_ylim()
    means = [point.mean for point in panel.everything]
    assert low < min(means) and max(means) < high and "extend beyond it" in made.caption
    assert high - low < max(point.high for point in panel.everything) - min(point.low for point in panel.everything)


def test_bars_that_would_begin_before_the_first_iteration_are_said_to_go_on(make_row):
    stops = {0: (5000, 5000), 1: (4000, 4000), 2: (250, 350)}  # of the last, 300 +- 635
    rows = [make_row(level, seed=seed, early_stop_iteration=stops[level][seed]) for level in stops for seed in (0, 1)]
    made = replace(BOTH, measures=(EARLY_STOP,)).sketch(of(rows, t_interval))
    assert "extend beyond it" in made.caption and made.figure.axes[0].get_ylim()[0] == 0


def test_no_axis_promises_more_than_all(make_rows):
    rows = [
        row | {"final_train_accuracy": 1 - 0.004 * row["seed"] - 0.003 * row["level"]} for row in make_rows({}, seeds=3)
    ]
    figure = LineFigure("train", "Train", "On the training split.", (TRAIN_ACCURACY_END,))
    assert 100 <= figure.sketch(of(rows, t_interval)).figure.axes[0].get_ylim()[1] < 100.1


def test_settings_are_never_mixed(make_rows):
    rows = make_rows({}, seeds=2)
    with pytest.raises(ValueError, match="several settings"):
        BOTH.sketch(of([*rows, *(row | {"setting": "other"} for row in rows)], t_interval))


def test_one_shot_arms_have_lines_of_their_own_lighter_than_the_iterative_ones(make_rows):
    shot = make_rows({"reinit": 1}, seeds=2, schedule="one_shot", setting="shot")
    rows = make_rows({"reinit": 1}, seeds=2) + shot
    made = replace(BOTH, legend=arm_meanings).sketch(of(rows, t_interval))
    handles = {handle.get_label(): handle for handle in made.figure.legends[0].legend_handles}
    assert list(handles)[:4] == ["ticket", "reinit", "ticket, one-shot", "reinit, one-shot"]
    assert "reinit, one-shot" in made.alt
    assert f"reinit: {meaning('reinit')}; one-shot: pruned at once" in made.caption

    def grey(name):
        return sum(w * part for w, part in zip((0.3, 0.59, 0.11), to_rgb(handles[name].get_color()), strict=True))

    for arm in ("ticket", "reinit"):
        assert grey(arm) < grey(f"{arm}, one-shot") < 0.72
    alone = replace(BOTH, legend=arm_meanings).sketch(of(shot, t_interval))
    assert "ticket, one-shot" not in alone.alt and "ticket:" in alone.alt  # nothing to tell it from


def test_panels_have_letters_titles_or_the_names_of_their_facets(make_rows):
    rows = make_rows({"reinit": 1}) + [row | {"model": "conv"} for row in make_rows({"reinit": 1})]
    by_model = replace(
        BOTH,
        measures=(ACCURACY_END,),
        facets=lambda rows: {name: [row for row in rows if row["model"] == name] for name in ("lenet", "conv", "none")},
    )
    made = by_model.sketch(of(rows))
    assert [axes.get_title("left") for axes in made.figure.axes] == ["lenet", "conv"]  # none has no panel
    assert "conv: test accuracy at the end (%), reinit: 86" in made.alt
    lettered = replace(BOTH, letters=True).sketch(of(rows[:11]))
    assert [axes.get_title("left") for axes in lettered.figure.axes] == ["(a)", "(b)"]
    one = replace(BOTH, letters=True, measures=(Measure("grad_norm_end", "norm", title="The norm"),)).sketch(
        of(rows[:11])
    )
    assert [axes.get_title("left") for axes in one.figure.axes] == ["The norm"]


def test_a_shared_axis_fits_all_panels_but_the_outliers(make_rows):
    fallen = [row | {"model": "conv", "final_test_accuracy": 0.2} for row in make_rows({}, seeds=2)]
    figure = LineFigure(
        "shared",
        "Shared",
        "About.",
        (ACCURACY_END,),
        facets=lambda rows: {name: [row for row in rows if row["model"] == name] for name in ("lenet", "conv")},
        shared=True,
        outliers=("conv",),
    )
    made = figure.sketch(of([*make_rows({}, seeds=2), *fallen], t_interval))
    first, second = (axes.get_ylim() for axes in made.figure.axes)
    assert made.figure.axes[0].get_xlim()[0] < 85, "dense is a line alone, it has no place on the density axis"
    assert [axes.get_xlabel() for axes in made.figure.axes] == ["weights left (%)"] * 2
    assert first == second and 85 < first[0] < 88.1 < first[1]
    mixed = replace(figure, outliers=()).sketch(of([*make_rows({}, seeds=2), *fallen], t_interval))
    assert mixed.figure.axes[0].get_ylim()[0] < 20


def test_an_outlier_leaves_its_panel_where_it_would_flatten_the_others(make_rows):
    rows = [row | {"final_test_accuracy": 0.1} if row["arm"] == "shuffle" else row for row in make_rows({"shuffle": 1})]
    figure = LineFigure("x", "X", "About.", (ACCURACY_END,), outliers=("shuffle",))
    others = make_rows({"reinit": 1})
    assert figure.sketch(of([*others, *rows])).figure.axes[0].get_ylim()[0] > 75
    near = [row | {"final_test_accuracy": 0.75} if row["arm"] == "shuffle" else row for row in rows]
    assert figure.sketch(of([*others, *near])).figure.axes[0].get_ylim()[0] < 75
    alone = figure.sketch(of([row for row in rows if row["arm"] == "shuffle"]))
    low, high = alone.figure.axes[0].get_ylim()
    assert low < 10 < high


def test_groups_have_a_dense_network_each(make_rows):
    rows = make_rows({}, seeds=2)
    styles = {"a": ArmStyle("#332288", "o", "-"), "b": ArmStyle("#E69F00", "s", "-")}

    def lines(rows):
        return [Line(name, "ticket", style, list(rows), name) for name, style in styles.items()]

    made = replace(BOTH, measures=(ACCURACY_END,), lines=lines).sketch(of(rows, t_interval))
    [axes] = made.figure.axes
    for style in styles.values():
        assert [line.get_color() for line in axes.lines].count(style.colour) == 2  # its line, and its dense network's


def test_the_measures_and_the_table_may_depend_on_what_was_measured(make_rows):
    table = [{"level": level, "arm": "ticket", "density": 0.5**level, "weight_norm": 2.0 - level} for level in range(3)]
    figure = LineFigure(
        "probes",
        "Probes",
        "What was measured.",
        choose=lambda rows: [Measure("weight_norm", "norm")] if "weight_norm" in rows[0] else [],
        table="probes",
        dense=False,
        caption=lambda results: f"{len(results['probes'])} rows.",
    )
    made = figure.sketch(of(make_rows({}, levels=2), probes=table))
    assert [axes.get_ylabel() for axes in made.figure.axes] == ["norm"] and "3 rows." in made.caption
    assert figure.sketch(of(make_rows({}, levels=2))) is None


def test_values_that_are_equal_are_joined_by_a_line(make_rows):
    rows = make_rows({}, final_test_accuracy=0.5)
    made = LineFigure("x", "X", "About.", (ACCURACY_END,)).sketch(of(rows))
    made.figure.draw_without_rendering()
    assert len(lines_of(made.figure.axes[0], "ticket")[0].get_xdata()) == 6
