"""Instability by closed form, and both ways to treat BatchNorm's statistics; computed once where there is none."""

import math
from dataclasses import replace

import pytest
from lth.experiments.stability import pairs as module
from lth.experiments.stability.pairs import Pairs, instability_error
from torch import nn

from lth.analysis.agreement import disagreement, logits_of
from lth.analysis.connectivity import interpolate
from lth.analysis.geometry import l2_distance
from lth.analysis.line import instability, line
from lth.lottery.arms import Outcome
from lth.lottery.levels import Level
from lth.models.initialize import initialize
from lth.pruning.mask import dense, prunable
from lth.training.evaluate import evaluate
from lth.training.run_result import RunResult

ABOUT = {"setting": "a", "schedule": "iterative_k0"}


def outcome(spec, state, draw, status="done"):
    """A child that ended with `state`."""
    spec = replace(spec, mask=dense(prunable(spec.model)))
    result = RunResult(0, spec.plan.stop, status=status, states={"final": state} if status == "done" else {})
    return Outcome(Level(0, spec, result, None), "ticket", draw, spec, result)


@pytest.fixture
def measure(data):
    """(row of stability.csv, rows of lines.csv) of two children that ended with the given states."""

    def run(spec, states, **how):
        ends = [outcome(spec, state, draw) for draw, state in enumerate(states)]
        pairs = Pairs(data, 5, None, lambda run, key, compute: compute(), lambda *_: lambda done: None)
        items = list(replace(pairs, **how).rows(*ends, ABOUT))
        [row] = [row for table, row in items if table == "stability"]
        return row, [row for table, row in items if table == "lines"]

    return run


def test_the_instability_of_two_networks_that_meet_at_zero(make_job, data, measure):
    """A linear network and the one with both layers negated are one function; half way all outputs are equal."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 4, bias=False), nn.Linear(4, 3, bias=False))
    start = initialize(model, "glorot_normal", 0)
    end = {name: -tensor for name, tensor in start.items()}
    row, lines = measure(make_job(model=model, initial_state=start), [start, end])
    model.load_state_dict(start)
    ends, zero = evaluate(model, data.test), (data.test.labels != 0).double().mean().item()
    errors = [1 - x["accuracy"] for x in lines if x["split"] == "test"]
    assert errors[0] == errors[-1] == 1 - ends.accuracy and errors[2] == pytest.approx(zero)
    assert row["test_instability"] == pytest.approx(100 * (max(errors) - (1 - ends.accuracy)))
    assert row["test_loss_barrier"] == pytest.approx(max(math.log(3) - ends.loss, 0), rel=1e-6)
    assert row["distance"] == pytest.approx(2 * l2_distance(model, start, {n: 0 * x for n, x in start.items()}))
    assert row["disagreement"] == 0 and row["distance_from_start"] == pytest.approx(row["distance"] / 2)


def test_the_ends_count_by_their_mean():
    assert instability([0, 0.5, 1], [10.0, 13.0, 14.0]) == 2.0  # the highest is an end
    assert instability([-0.2, 0, 0.5, 1], [99.0, 1.0, 5.0, 3.0]) == 3.0
    assert math.isnan(instability([0, 0.5, 1], [0.0, math.nan, 0.0]))


def test_without_batch_norm_both_columns_are_one_measurement(make_job, make_network, measure, monkeypatch):
    model, calls = make_network(), []
    states = [initialize(model, "glorot_normal", seed) for seed in range(2)]
    monkeypatch.setattr("lth.analysis.lines.interpolate", lambda *x: calls.append(1) or interpolate(*x))
    row, lines = measure(make_job(model=model, initial_state=states[0]), states)
    for split in ("train", "test"):
        for name in (f"{split}_instability", f"{split}_loss_barrier"):
            assert row[name] == row[f"{name}_interpolated"]
    assert len(calls) == 1 and len(lines) == 2 * 5 and {x["batch_norm"] for x in lines} == {"recalculated"}


def test_batch_norm_is_recalculated_in_one_column_and_interpolated_in_the_other(
    make_job, make_rich_network, data, measure
):
    model = make_rich_network()
    states = [initialize(model, "default", seed) for seed in range(2)]
    row, lines = measure(make_job(model=model, initial_state=states[0]), states)
    for ending, recalculate in (("", True), ("_interpolated", False)):
        path = interpolate(model, *states, data, alphas=line(0, 1, 5), recalculate=recalculate)
        errors = [100 * (1 - score.accuracy) for score in path.scores["train"]]
        assert row[f"train_instability{ending}"] == instability(path.alphas, errors)
        assert row[f"test_loss_barrier{ending}"] == path.barrier("test")
    assert row["train_loss_barrier"] != row["train_loss_barrier_interpolated"] and len(lines) == 2 * 2 * 5
    assert row["disagreement"] == disagreement(*(logits_of(model, state, data.test) for state in states))


def test_of_a_child_that_diverged_nothing_is_measured(make_job, data):
    spec = make_job()
    pairs = Pairs(data, 5, None, lambda *_: pytest.fail("measured"), lambda *_: pytest.fail("measured"))
    [(table, row)] = pairs.rows(outcome(spec, spec.initial_state, 0), outcome(spec, None, 1, "diverged"), ABOUT)
    assert table == "stability" and row["test_instability"] is None and (row["first"], row["second"]) == (0, 1)


def test_the_test_set_leaves_an_error_in_the_highest_point_and_in_the_mean_of_the_ends():
    scores = {"test": [(0.0, accuracy) for accuracy in (0.9, 0.5, 0.9)]}
    expected = 100 * math.sqrt(0.25 / 400 + (0.09 + 0.09) / 4 / 400)
    assert instability_error((0, 0.5, 1), scores, 400) == pytest.approx(expected)
    assert module.instability_error((0, 0.5, 1), {"test": [(0.0, None)] * 3}, 400) is None
