"""Figures of `lth deploy`: the front is the front, every measured point is there, equal rows give equal bytes."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as some
from lth.experiments.deploy.answer import sentences
from lth.experiments.deploy.figures import FIGURES
from lth.experiments.deploy.figures.compression import sketch_grid, sketch_sensitivity, sketch_sizes
from lth.experiments.deploy.figures.front import EXECUTED, STORED, front, sketch_worth
from lth.experiments.deploy.sheets import ticket_cells
from lth.experiments.deploy.tables import COST

from lth.report.cost import noise_sentence
from lth.report.figures.drawing import drawing
from lth.report.results import Results

EXAMPLES = {"train": 900, "validation": 100, "test": 400}
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
        panels = sketch_worth(Results({"cost": costs}, examples=EXAMPLES)).figure.axes
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
def test_equal_rows_give_equal_bytes_and_what_was_not_measured_has_no_figure(costs):
    grid = [
        {"kind": kind, "level": level, "density": 0.5**level, "bits": bits, "test_accuracy": 0.9 - 0.1 * (bits == 2)}
        for kind, level in (("dense", 0), ("weights", 1), ("weights", 2))
        for bits in (32, 8, 2)
    ]
    layers = [{"layer": name, "density": x, "accuracy": x} for name in ("a.weight", "b.weight") for x in (1.0, 0.5)]
    results = Results({"cost": costs, "grid": grid, "sensitivity": layers}, examples=EXAMPLES)
    for figure in FIGURES:
        with drawing():
            first, second = io.BytesIO(), io.BytesIO()
            for file in (first, second):
                sketch = figure.sketch(results)
                sketch.figure.savefig(file, format="png", dpi=40)
        assert first.getvalue() == second.getvalue() and sketch.caption and sketch.alt
    few = Results({"cost": costs[:1], "grid": grid[:3]}, examples=EXAMPLES)
    assert sketch_grid(few) is sketch_sizes(few) is sketch_sensitivity(few) is None


def test_the_answer_names_what_holds_on_validation(costs):
    said = " ".join(sentences(costs, EXAMPLES))
    assert "on validation, the smallest file is the dense network: 1.0 times smaller" in said
    better = [row | {"validation_accuracy": 0.95} if row["level"] == 2 else row for row in costs]
    said = " ".join(sentences(better, EXAMPLES))
    assert "the smallest file is packed_int8 of weights at 25.0%: 10.0 times smaller, at 81.00%" in said
    assert "The fastest at batch 64 is shrunk of weights" in said and "2.10 times as fast" in said
    error = 100 * (2 * 0.91 * 0.09 / 100) ** 0.5
    assert f"binomial error of a difference on 100 validation examples is {error:.2f} points" in said


def test_masked_is_never_called_fast_whatever_was_measured(costs):
    """Its kernels are the dense network's: in a disturbed run it was named as the fastest, at ten times dense."""
    lucky = [row | {"batch_64_speedup": 10.0} if row["form"] == "masked" else row for row in costs]
    said = " ".join(sentences([row | {"validation_accuracy": 0.95} for row in lucky], EXAMPLES))
    assert "The fastest at batch 64 is shrunk of weights" in said
    assert "Masked ran at 10.00 to 10.00x and counts as 1x" in said
    slow = [row | {"batch_64_speedup": 0.5} if row["form"] != "masked" else row for row in lucky]
    assert ticket_cells({**lucky[-1], "search_trainings": 0, "search_seconds": 0}, slow)[6:8] == ["1.00x", "masked"]
    with drawing():
        panel = sketch_worth(Results({"cost": lucky}, examples=EXAMPLES)).figure.axes[2]
    edge = next(line for line in panel.lines if line.get_drawstyle() == "steps-post")
    assert max(edge.get_xdata()) == pytest.approx(2.1), "the front does not go as far as masked"


def test_timing_is_called_disturbed_by_half_of_it_or_by_the_control(costs):
    """One row of many with far quartiles is no reason; the control that is off by itself is."""

    def spread(rows, share):
        return [row | {"batch_1_low": 1e-4 * (1 - share), "batch_64_low": 1e-4 * (1 - share)} for row in rows]

    assert noise_sentence(costs, (1, 64)) == ""
    assert noise_sentence([*spread(costs[:2], 5.0), *costs[2:]], (1, 64)) == ""
    assert "half of the quartiles lie 40% of the median apart" in noise_sentence(spread(costs, 0.4), (1, 64))
    slow = [row | {"batch_1_speedup": 0.5} if row["form"] == "masked" else row for row in costs]
    assert "masked, which computes what dense does, ran at 0.50 to 1.10x its speed" in noise_sentence(slow, (1, 64))
