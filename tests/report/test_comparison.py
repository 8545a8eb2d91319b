"""The cells of tables that compare: a mean with half of its interval."""

from lth.report.comparison import bounds, span
from lth.report.intervals import Interval
from lth.report.sheet import DASH, MINUS


def test_an_interval_is_three_columns():
    assert bounds("shuffle", Interval(1.0, 0.5, 1.5, 3)) == {
        "shuffle_mean": 1.0,
        "shuffle_low": 0.5,
        "shuffle_high": 1.5,
    }


def test_a_cell_has_the_mean_and_half_of_the_interval():
    row = bounds("accuracy", Interval(0.9802, 0.9797, 0.9807, 3)) | bounds("change", Interval(-1.0, -1.5, -0.5, 3))
    assert span(row, "accuracy", 100) == "98.02 ±0.05"
    assert span(row, "change", 1, signed=True) == f"{MINUS}1.00 ±0.50"
    assert span(bounds("change", Interval(0.25, None, None, 1)), "change", 1, signed=True) == "+0.25"
    assert span({"change_mean": None, "change_high": None}, "change", 1) == DASH
