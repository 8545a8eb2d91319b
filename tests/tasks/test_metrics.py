"""Metrics have names, directions and units that go through the cells of a table; a task is compared by its first."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth.core.errors import SettingError
from lth.tasks.metrics import ACCURACY, CLASSIFICATION, LOSS, NAME, Measures, Metric, measures_of

NAMES = st.from_regex(NAME, fullmatch=True).filter(lambda name: name not in ("loss", "iteration"))
UNITS = st.sampled_from(["", "0..1", "m/s", "K at night"])
METRICS = st.builds(Metric, NAMES, st.sampled_from(["higher", "lower"]), UNITS)
SEVERAL = st.lists(METRICS, min_size=1, max_size=4, unique_by=lambda metric: metric.name)


@given(SEVERAL)
def test_measures_go_through_the_cells_of_a_row(metrics: list[Metric]) -> None:
    measures = Measures("custom", tuple(metrics), metrics[-1].on("val"))
    assert measures_of(measures.cells()) == measures == Measures.read(measures.records())


def test_plain_classification_needs_no_cells() -> None:
    assert CLASSIFICATION.cells() == {} and measures_of({"arm": "ticket"}) is CLASSIFICATION
    assert (CLASSIFICATION.primary, CLASSIFICATION.decider) == (ACCURACY, LOSS)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Metric("top 5"),
        lambda: Metric("_x"),
        lambda: Metric("mse", "less"),  # type: ignore[arg-type]  # that is the test
        lambda: Metric("mse", "lower", "a; b"),
        lambda: Measures("x", ()),
        lambda: Measures("x", (ACCURACY, ACCURACY)),
        lambda: Measures("x", (ACCURACY,), "test_accuracy"),
        lambda: measures_of({"metrics": "mse"}),
    ],
)
def test_what_is_no_metric_is_one_line(make: Any) -> None:
    with pytest.raises(SettingError) as error:
        make()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("change", [{"task": 1}, {"metrics": [{}]}, {"metrics": 7}, {"decide": "val_x"}])
def test_records_of_no_task_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises((TypeError, KeyError, ValueError)):
        Measures.read(CLASSIFICATION.records() | change)
