"""Figures of `lth deploy`: the front is the front, every measured point is there, equal rows give equal bytes."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as some

from lth.flow.worth import COST
from lth.report.deploy import sentences
from lth.report.figures.deploy import KEPT, RUN, front, sketch_grid, sketch_sensitivity, sketch_sizes, sketch_worth
from lth.report.figures.replicate import drawing

FORMS = {
    "masked": (1000, 1.0, 0.0),
    "csr": (700, 1.5, 0.0),
    "packed_int8": (200, 1.0, -0.01),
    "shrunk": (500, 2.0, 0.0),
}


def cost_row(kind, level, form, size, speed, accuracy):
    """A row of cost.csv of a form that runs in a way of its own, unless it is packed."""
    timed = {f"batch_{n}_{what}": 1e-4 for n in (1, 64) for what in ("seconds", "low", "high")}
    values = {"kind": kind, "level": level, "form": form, "bytes": size, "gzip_bytes": size // 2, "density": 0.5**level}
    own = {"test_accuracy": accuracy, "validation_accuracy": accuracy + 0.01, "test_accuracy_change": accuracy - 0.9}
    speeds = {"batch_1_speedup": speed, "batch_64_speedup": speed + 0.1 * (form != "dense")}
    if form == "dense":
        own["test_accuracy_change"] = None
    return dict.fromkeys(COST) | values | own | timed | speeds | {"runs_as": "masked" if "packed" in form else form}


@pytest.fixture(scope="module")
def costs():
    dense = [cost_row("dense", 0, "dense", 1000, 1.0, 0.9)]
    found = [
        cost_row(kind, level, form, size // level, speed, 0.9 - 0.02 * level * level + change)
        for kind in ("weights", "channels")
        for level in (1, 2, 3)
        for form, (size, speed, change) in FORMS.items()
    ]
    return dense + found


@given(some.lists(some.tuples(some.integers(0, 9), some.integers(0, 9)), min_size=1, max_size=12))
def test_the_front_is_what_no_other_point_beats(points):
    beaten = {(x, y) for x, y in points for u, v in points if (u > x and v >= y) or (u >= x and v > y)}
    assert set(front(points)) == set(points) - beaten


def test_every_form_that_was_measured_is_a_point(costs):
    with drawing():
        panels = sketch_worth(costs).figure.axes
    places = [(row["bytes"], row) for row in costs if row["form"] in KEPT]
    kept = {(round(1000 / size, 6), round(100 * row["test_accuracy"], 6)) for size, row in places}
    run = {
        (row["batch_64_speedup"], round(100 * row["test_accuracy"], 6))
        for row in costs
        if row["form"] in RUN and row["runs_as"] == row["form"]
    }
    for axes, expected in ((panels[0], kept), (panels[2], run)):
        points = [line for line in axes.lines if line.get_marker() != "None"]
        shown = {(round(line.get_xdata()[0], 6), round(line.get_ydata()[0], 6)) for line in points}
        assert shown == expected


def test_equal_rows_give_equal_bytes_and_what_was_not_measured_has_no_figure(costs):
    grid = [
        {"kind": kind, "level": level, "density": 0.5**level, "bits": bits, "test_accuracy": 0.9 - 0.1 * (bits == 2)}
        for kind, level in (("dense", 0), ("weights", 1), ("weights", 2))
        for bits in (32, 8, 2)
    ]
    layers = [{"layer": name, "density": x, "accuracy": x} for name in ("a.weight", "b.weight") for x in (1.0, 0.5)]
    for make, rows in ((sketch_worth, costs), (sketch_sizes, costs), (sketch_grid, grid), (sketch_sensitivity, layers)):
        with drawing():
            first, second = io.BytesIO(), io.BytesIO()
            for file in (first, second):
                sketch = make(rows)
                sketch.figure.savefig(file, format="png", dpi=40)
        assert first.getvalue() == second.getvalue() and sketch.caption and sketch.alt
    assert sketch_grid(grid[:3]) is None and sketch_sensitivity([]) is None and sketch_sizes(costs[:1]) is None


def test_the_answer_names_what_holds_on_validation(costs):
    said = " ".join(sentences(costs))
    assert "on validation, the smallest file is the dense network: 1.0 times smaller" in said
    better = [row | {"validation_accuracy": 0.95} if row["level"] == 2 else row for row in costs]
    said = " ".join(sentences(better))
    assert "the smallest file is packed_int8 of weights at 25.0%: 10.0 times smaller, at 81.00%" in said
    assert "The fastest at batch 64 is shrunk of weights" in said and "2.10 times as fast" in said
