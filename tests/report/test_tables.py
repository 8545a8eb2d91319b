"""The three tables: their columns are a contract, and what was not measured is empty."""

import csv
from dataclasses import replace

import pytest
from lth.report.job import Tables

from lth.analysis.gradient import GradientNorm
from lth.core.tables import Column
from lth.lottery.arms import Outcome
from lth.lottery.levels import Level
from lth.pruning.mask import dense, prunable
from lth.pruning.updates import GradualPruning
from lth.report.tables import CURVES, LAYERS, RESULTS, curve_rows
from lth.training.loop import train


@pytest.fixture
def outcome(make_job, make_network):
    def make(**changes):
        model = make_network()
        job = make_job(model=model, mask=dense(prunable(model)), **changes)
        trace = train(job, [GradientNorm(10)])
        trace.run = f"run{changes}"
        return Outcome(Level(0, job, trace, None), "ticket", 0, job, trace)

    return make


ABOUT = {"experiment": "imp", "setting": "x", "data": "d", "model": "m", "seed": 0, "schedule": "iterative"}


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_the_columns_are_the_contract_and_values_survive_the_file(outcome, tmp_path):
    tables = Tables(tmp_path, ABOUT)
    done = outcome()
    tables.add(done)
    tables.write()
    (result,) = read(tmp_path / "results.csv")
    assert list(result) == RESULTS.names
    assert float(result["early_stop_val_loss"]) == done.result.early_stop.val_loss
    assert float(result["final_test_accuracy"]) == done.result.points[-1].test_accuracy
    assert (
        result["weights_left"] == "552"
        and result["density"] == "1.0"
        and result["early_stop_censored"] in ("True", "False")
    )
    layers = read(tmp_path / "layers.csv")
    assert list(layers[0]) == LAYERS.names and [layer["layer"] for layer in layers] == ["fc1", "fc2", "output"]
    norms = done.result.observed[GradientNorm(10).key]
    assert float(layers[0]["grad_norm_init"]) == norms[0][1]["fc1.weight"]
    assert list(read(tmp_path / "curves.csv")[0]) == CURVES.names


def test_a_curve_has_a_row_for_every_evaluation_and_every_observation(outcome):
    trace = outcome().result
    rows = {row["iteration"]: row for row in curve_rows(trace)}
    assert sorted(rows) == sorted({point.iteration for point in trace.points} | {0, 10, 20, 30})
    assert rows[10]["grad_norm"] and rows[10]["val_loss"] is None and rows[7]["grad_norm"] is None
    assert rows[0]["train_loss"] is None and rows[7]["train_loss"] > 0


def test_a_further_observer_fills_the_columns_that_it_declares(make_job, make_network, tmp_path):
    class Largest:
        key, every, columns = "largest", 15, {"total": Column("largest_weight")}

        def __call__(self, model, spec):
            sizes = {name: x.abs().max().item() for name, x in model.named_parameters()}
            return sizes | {"total": max(sizes.values())}

    model = make_network()
    spec = make_job(model=model, mask=dense(prunable(model)))
    result = train(spec, [GradientNorm(10), Largest()])
    tables = Tables(tmp_path, ABOUT)
    tables.add(Outcome(Level(0, spec, result, None), "ticket", 0, spec, result))
    tables.write()
    (row,), layers = read(tmp_path / "results.csv"), read(tmp_path / "layers.csv")
    seen = dict(result.observed["largest"])
    assert list(row)[len(RESULTS.columns) :] == ["largest_weight_init", "largest_weight_end"] and row["grad_norm_end"]
    assert float(row["largest_weight_init"]) == seen[0]["total"]
    assert [float(layer["largest_weight_end"]) for layer in layers] == [
        seen[30][f"{name}.weight"] for name in ("fc1", "fc2", "output")
    ]
    curve = {int(row["iteration"]): row["largest_weight"] for row in read(tmp_path / "curves.csv")}
    assert {iteration: float(cell) for iteration, cell in curve.items() if cell} == {
        iteration: values["total"] for iteration, values in seen.items()
    }


def test_a_diverged_run_has_empty_cells(outcome, tmp_path):
    tables = Tables(tmp_path, ABOUT)
    row = tables.add(outcome(lr=1e30))
    assert row["status"] == "diverged"
    for key in ("early_stop_iteration", "early_stop_test_accuracy", "final_test_accuracy", "grad_norm_end"):
        assert row[key] is None


def test_two_arms_that_are_one_training_give_one_curve(outcome, tmp_path):
    tables = Tables(tmp_path, ABOUT)
    done = outcome()
    tables.add(done)
    count = len(tables.curves)
    tables.add(done)
    assert len(tables.results) == 2 and len(tables.curves) == count


def test_a_mask_that_changed_in_training_counts_as_it_ended(outcome, tmp_path):
    done = outcome()
    update = GradualPruning(0.2, 5, 20, 5)
    job = replace(done.spec, update=update)
    changed = replace(done, spec=job, result=train(job, [GradientNorm(10)]))
    tables = Tables(tmp_path, ABOUT)
    row = tables.add(changed)
    assert row["weights_left"] == 86 + 19 + 5 and row["density"] == pytest.approx(110 / 552) == 1 - row["sparsity"]
    assert [(layer["size"], layer["kept"]) for layer in tables.layers] == [(432, 86), (96, 19), (24, 5)]
    assert [layer["density"] for layer in tables.layers] == [86 / 432, 19 / 96, 5 / 24]
    assert tables.add(done)["weights_left"] == 552
