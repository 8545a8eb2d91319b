"""Figure 3 of the paper: test accuracy as training proceeds, at the densities that it shows."""

import re

import pytest
from lth.experiments.imp.training_figure import mean_curve, nearest, sketch_training

from lth.report.intervals import min_max, t_interval
from lth.report.results import Results
from lth.report.tables import CURVES


def of(rows, curves, bars=t_interval):
    return Results({"results": rows, "curves": curves}, bars=bars)


def test_the_nearest_levels_are_shown_and_the_missing_ones_named(make_sweep, make_curves):
    rows = make_sweep()
    densities = {row["level"]: row["density"] for row in rows}
    assert nearest((0.513, 0.211), densities) == [3, 7]
    assert nearest((0.07, 0.036, 0.019), densities) == [12, 15, 16]  # the last is at 2.9%
    assert nearest((0.07, 0.036), {0: 1.0, 1: 0.8}) == []
    made = sketch_training(of(rows, make_curves(rows)))
    assert len(made.figure.axes) == 3
    assert "100%, 51.3%, 21.1%, 7.0%, 3.6%, 2.9%" in made.caption
    assert "No level has the paper's 1.9%" in made.caption
    assert "mean of 3 evaluations in a row" in made.caption
    assert "Means over seeds (n = 5); error bars: 95% t intervals" in made.caption
    assert re.search(r"reinit at 51\.3%: 8\d\.\d\d% to 97\.\d\d%", made.alt)


def test_it_is_left_out_where_the_test_set_was_not_always_evaluated(make_sweep, make_curves):
    rows = make_sweep(seeds=2, draws=1)
    assert sketch_training(of(rows, make_curves(rows, every=2))) is None
    assert sketch_training(of(rows, [])) is None
    dense = [row for row in rows if row["level"] == 0]
    assert sketch_training(of(dense, make_curves(dense))) is None


def test_a_curve_is_the_mean_over_seeds_of_means_over_draws(make_result):
    rows = [make_result(seed, 3, "reinit", draw=draw) for seed, draw in ((0, 0), (0, 1), (1, 0))]
    heights = dict(zip((row["run"] for row in rows), (0.7, 0.9, 0.4), strict=True))
    curves = {
        run: [{**dict.fromkeys(CURVES), "iteration": at, "test_accuracy": height} for at in (0, 100)]
        + [{**dict.fromkeys(CURVES), "iteration": 50, "grad_norm": 1.0}]  # an observer's row is no evaluation
        for run, height in heights.items()
    }
    training = mean_curve(rows, curves, "reinit", 3, min_max)
    assert training and training.seeds == 2
    assert training.curve == {at: pytest.approx((60.0, 40.0, 80.0)) for at in (0, 100)}


def test_one_shot_and_diverged_trainings_are_not_in_it(make_sweep, make_curves):
    rows = make_sweep(seeds=3, draws=1)
    lost = next(row for row in rows if (row["arm"], row["level"], row["seed"]) == ("ticket", 3, 1))
    lost["status"] = "diverged"
    made = sketch_training(of(rows, make_curves(rows)))
    assert "of ticket at 51.3% " in made.caption
    assert "one-shot" not in made.caption and "one-shot" not in made.alt
