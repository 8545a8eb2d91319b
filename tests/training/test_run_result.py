"""The early stop is the minimum of the validation loss, found afterwards; a result goes through JSON unchanged."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth.core.errors import LotteryError
from lth.tasks.metrics import Measures, Metric
from lth.training.run_result import Point, RunResult, result_from

LOSSES = st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3]), min_size=1, max_size=20)


@given(LOSSES)
def test_the_early_stop_is_the_first_minimum(losses: list[float]) -> None:
    result = RunResult(0, 100, points=[Point(n, 0.1, val_loss=loss) for n, loss in enumerate(losses)])
    assert result.early_stop is not None and result.early_stop.iteration == losses.index(min(losses))


@given(LOSSES)
def test_a_metric_decides_by_its_direction(values: list[float]) -> None:
    stops = []
    for better, sign in (("higher", 1), ("lower", -1)):
        measures = Measures("custom", (Metric("score", better),), "val_score")
        points = [Point(n, 0.1, val_loss=n, val_score=sign * value) for n, value in enumerate(values)]
        stop = RunResult(0, 100, points=points, measures=measures).early_stop
        stops.append(stop and stop.iteration)
    assert stops == [values.index(max(values))] * 2


def test_records_hold_the_measures_of_other_tasks_alone() -> None:
    measures = Measures("regression", (Metric("mse", "lower", "m"), Metric("r2")), "val_r2")
    points = [Point(9, 0.1, 0.2, 0.4, val_mse=0.4, test_r2=-7.5)]
    result = RunResult(0, 9, points=points, train={"mse": 0.25, "r2": 0.5}, measures=measures)
    back = result_from(json.loads(json.dumps(result.records())), {})
    assert (back.points, back.train, back.measures) == (result.points, result.train, measures)
    assert "measures" not in RunResult(0, 9).records()


def test_without_validation_there_is_no_early_stop() -> None:
    result = RunResult(0, 10, points=[Point(0, 0.1), Point(10, 0.1, test_accuracy=0.9)])
    assert result.early_stop is None and not result.censored


def test_points_without_a_loss_do_not_count() -> None:
    result = RunResult(0, 10, points=[Point(0, 0.1, val_loss=0.5), Point(5, 0.1)])
    assert result.early_stop is not None and result.early_stop.iteration == 0


def test_censored_within_the_last_five_per_cent_of_the_training() -> None:
    def at(iteration: int) -> bool:
        return RunResult(100, 300, points=[Point(iteration, 0.1, val_loss=0.0)]).censored

    assert not at(289) and at(290) and at(300)


def test_records_go_through_json_and_back() -> None:
    result = RunResult(
        5, 9, points=[Point(5, 0.1, None, 1 / 3, {"val_accuracy": 0.5}), Point(9, 1e-300, 0.1, 0.7)], seconds=1.5
    )
    result.observed["norm"] = [(5, {"total": 0.1, "fc.weight": 2.5}), (9, {"total": 1 / 7})]
    result.states["final"] = {"w": torch.ones(2)}
    result.run = "abc"
    back = result_from(json.loads(json.dumps(result.records())), result.states)
    assert back.records() == result.records() and back.points == result.points and back.observed == result.observed
    assert back.final is result.final and "run" not in result.records() and "states" not in result.records()


def test_records_without_columns_are_of_gradient_norms() -> None:
    records = RunResult(0, 9, observed={"gradient_norm every=9": [(0, {"total": 0.5}), (9, {"total": 0.25})]}).records()
    del records["columns"]
    assert result_from(records, {}).series["grad_norm"].values == [(0, 0.5), (9, 0.25)]


def test_weights_on_the_way_and_masks_are_asked_for_by_iteration() -> None:
    states = {"final": {"w": torch.ones(1)}, "at_4": {"w": torch.zeros(1)}, "at_4_mask": {"w": torch.tensor([True])}}
    result, given = RunResult(0, 9, states=states), {"w": torch.tensor([False])}
    assert result.at(4) is states["at_4"] and result.at(9) is result.final and result.keeps(9) and not result.keeps(5)
    assert result.mask(given, 4) is states["at_4_mask"] and result.mask(given) is result.mask(given, 9) is given
    with pytest.raises(LotteryError, match="after iteration 5 were not kept; there is 4, 9"):
        result.at(5)
    with pytest.raises(LotteryError, match="after iteration 9 were not kept; there is nothing"):
        RunResult(0, 9, status="diverged").at(9)
