"""Figures of `lth deploy`: the front is the front, every measured point is there, equal rows give equal bytes."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as some
from lth.experiments.deploy.figures import FIGURES
from lth.experiments.deploy.figures.compression import sketch_grid, sketch_sensitivity, sketch_sizes
from lth.experiments.deploy.figures.front import EXECUTED, STORED, front, sketch_worth

from lth.report.figures.drawing import drawing
from lth.report.results import Results


@given(some.lists(some.tuples(some.integers(0, 9), some.integers(0, 9)), min_size=1, max_size=12))
def test_the_front_is_what_no_other_point_beats(points):
    beaten = {(x, y) for x, y in points for u, v in points if (u > x and v >= y) or (u >= x and v > y)}
    assert set(front(points)) == set(points) - beaten


def test_every_form_that_was_measured_is_a_point(costs, examples):
    with drawing():
        panels = sketch_worth(Results({"cost": costs}, examples=examples)).figure.axes
    places = [(row["bytes"], row) for row in costs if row["form"] in STORED]
    kept = {(round(1000 / size, 6), round(100 * row["test_accuracy"], 6)) for size, row in places}
    run = {
        (row["batch_64_speedup"], round(100 * row["test_accuracy"], 6))
        for row in costs
        if row["form"] in EXECUTED and row["runs_as"] == row["form"]
    }
    for axes, expected in ((panels[0], kept), (panels[2], run)):
        points = [line for line in axes.lines if line.get_marker() != "None"]
        shown = {(round(line.get_xdata()[0], 6), round(line.get_ydata()[0], 6)) for line in points}
        assert shown == expected


@pytest.mark.rendered
@pytest.mark.slow
def test_equal_rows_give_equal_bytes_and_what_was_not_measured_has_no_figure(costs, examples):
    grid = [
        {"kind": kind, "level": level, "density": 0.5**level, "bits": bits, "test_accuracy": 0.9 - 0.1 * (bits == 2)}
        for kind, level in (("dense", 0), ("weights", 1), ("weights", 2))
        for bits in (32, 8, 2)
    ]
    layers = [{"layer": name, "density": x, "accuracy": x} for name in ("a.weight", "b.weight") for x in (1.0, 0.5)]
    results = Results({"cost": costs, "grid": grid, "sensitivity": layers}, examples=examples)
    for figure in FIGURES:
        with drawing():
            first, second = io.BytesIO(), io.BytesIO()
            for file in (first, second):
                sketch = figure.sketch(results)
                sketch.figure.savefig(file, format="png", dpi=40)
        assert first.getvalue() == second.getvalue() and sketch.caption and sketch.alt
    few = Results({"cost": costs[:1], "grid": grid[:3]}, examples=examples)
    assert sketch_grid(few) is sketch_sizes(few) is sketch_sensitivity(few) is None


def test_the_front_goes_no_further_than_what_is_faster_by_its_own_kernels(costs, examples):
    lucky = [row | {"batch_64_speedup": 10.0} if row["form"] == "masked" else row for row in costs]
    with drawing():
        panel = sketch_worth(Results({"cost": lucky}, examples=examples)).figure.axes[2]
    edge = next(line for line in panel.lines if line.get_drawstyle() == "steps-post")
    assert max(edge.get_xdata()) == pytest.approx(2.1), "the front does not go as far as masked"
