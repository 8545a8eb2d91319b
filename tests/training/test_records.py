"""Records that no training gives are refused, whatever has sealed them."""

import json
from typing import Any

import pytest
import torch
from torch import nn

from lth.training.records import check_finite, check_states
from lth.training.run_result import IMPOSSIBLE, Point, RunResult, result_from

POINTS = [Point(0, 0.1, val_loss=0.5), Point(9, 0.1, 0.2, 0.4, val_accuracy=0.5, test_accuracy=1.0)]
RESULT = RunResult(0, 9, points=POINTS, train={"accuracy": 1.0})
RESULT.observed["norm"] = [(0, {"total": 0.1}), (9, {"total": float("inf")})]
RESULT.columns["norm"] = {"total": "grad_norm"}
NAN, DEEP = float("nan"), json.loads("[" * 500 + "]" * 500)
NO_COUNT = [-1, 0.5, NAN, True, None, "1", 10**40, [], {}]
NO_SHARE = [-0.1, 1.1, NAN, True, "1", []]


def changed(**changes: Any) -> dict[str, Any]:
    return json.loads(json.dumps(RESULT.records())) | changes


def with_point(**changes: Any) -> dict[str, Any]:
    records = changed()
    records["points"][1] |= changes
    return records


WRONG = [
    *(changed(status=value) for value in ("unknown", "", None, 7, [])),
    *(changed(**{key: value}) for key in ("start", "stop") for value in NO_COUNT),
    *(changed(**{key: value}) for key in ("seconds", "evaluation_seconds") for value in (-1, NAN, "1", None, DEEP)),
    *(changed(train_accuracy=value) for value in NO_SHARE),
    *(changed(message=value) for value in (7, None, [])),
    *(with_point(**{key: value}) for key in ("val_accuracy", "test_accuracy") for value in NO_SHARE),
    *(with_point(**{key: value}) for key in ("val_loss", "train_loss") for value in (NAN, "1", [], {})),
    *(with_point(iteration=value) for value in (*NO_COUNT, 0, 10)),
    *(with_point(lr=value) for value in (-1, NAN, None, "1")),
    *(changed(points=value) for value in (7, None, [7], [{}], "x", DEEP)),
    *(changed(observed=value) for value in (7, [], {"x": 7}, {"x": [[0]]}, {"x": [[0, {"a": "b"}]]})),
    *(changed(observed={"x": [[value, {}]]}) for value in NO_COUNT),
    *(changed(columns=value) for value in (7, [], {"x": 7}, {"x": {"a": 7}})),
    changed(start=5, stop=3),
    changed(more=1),
    with_point(more=1),
]


def test_records_that_a_training_gives_come_back() -> None:
    assert result_from(changed(), {}).records() == RESULT.records()


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_records_that_none_gives_are_refused(number: int) -> None:
    with pytest.raises(IMPOSSIBLE):
        result_from(WRONG[number], {})


def test_states_are_of_the_parameters_of_the_network() -> None:
    model, mask = nn.Linear(3, 2), {"weight": torch.ones(2, 3, dtype=torch.bool)}
    right = {"final": model.state_dict(), "final_mask": mask, "correct": {"final": torch.zeros(2, dtype=torch.uint8)}}
    check_states(right, model, mask)
    for kind, state in {
        "final": {"weight": torch.ones(2, 3)},
        "early_stop": {"weight": torch.ones(3, 2), "bias": torch.ones(2)},
        "at_4": {"weight": torch.ones(2, 3).double(), "bias": torch.ones(2)},
        "final_mask": {"weight": torch.ones(2, 3)},
        "at_4_mask": {"weight": torch.ones(3, 2, dtype=torch.bool)},
        "early_stop_mask": {},
        "correct": {"final": torch.ones(2)},
    }.items():
        with pytest.raises(ValueError, match="cannot be"):
            check_states(right | {kind: state}, model, mask)
    with pytest.raises(ValueError, match="bias of final: NaN or infinite"):
        check_finite("final", {"weight": torch.ones(2, 3), "bias": torch.tensor([0.0, NAN])}, model)
