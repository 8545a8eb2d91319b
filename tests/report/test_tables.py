"""The three tables: their columns are a contract, and what was not measured is empty."""

import csv
from dataclasses import replace

import pytest
import torch
from torch import nn

from lth.analysis.gradient import GradientNorm
from lth.core.errors import LotteryError
from lth.core.tables import Column
from lth.pruning.mask import dense, prunable
from lth.pruning.updates import GradualPruning
from lth.report.rows import curve_rows, layer_rows, result_row
from lth.report.tables import CURVES, LAYERS, RESULTS, read_table, with_observed
from lth.tasks.metrics import Measures, Metric, measures_of
from lth.training.loop import train
from lth.training.run_result import Point

ABOUT = {"experiment": "imp", "setting": "x", "data": "d", "model": "m", "seed": 0, "schedule": "iterative"}


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def written(folder, table, rows):
    """`rows` as they are read from the file of `table`, with the columns of further observers."""
    return read(with_observed(table, rows).write(folder, rows))


def test_the_columns_are_the_contract_and_values_survive_the_file(make_outcome, tmp_path):
    done = make_outcome()
    (result,) = written(tmp_path, RESULTS, [result_row(done, ABOUT)])
    assert list(result) == RESULTS.names
    assert float(result["early_stop_val_loss"]) == done.result.early_stop.val_loss
    assert float(result["final_test_accuracy"]) == done.result.points[-1].test_accuracy
    assert (
        result["weights_left"] == "552"
        and result["density"] == "1.0"
        and result["early_stop_censored"] in ("True", "False")
    )
    row = result_row(done, ABOUT)
    assert RESULTS.read(tmp_path / "results.csv") == [RESULTS.columns_of(row)]
    assert row["test_examples"] == 37 and 0 < row["chance"] < 1
    assert [row[f"seed_{name}"] for name in vars(done.spec.seeds)] == list(vars(done.spec.seeds).values())
    assert (row["torch"], row["threads"]) == (torch.__version__, 1) and row["processor"]
    layers = written(tmp_path, LAYERS, layer_rows(done))
    assert list(layers[0]) == LAYERS.names and [layer["layer"] for layer in layers] == ["fc1", "fc2", "output"]
    norms = done.result.observed[GradientNorm(10).key]
    assert float(layers[0]["grad_norm_init"]) == norms[0][1]["fc1.weight"]
    assert list(written(tmp_path, CURVES, curve_rows(done.result))[0]) == CURVES.names


def test_metrics_of_another_task_have_columns_of_their_own(make_outcome, tmp_path):
    done = make_outcome()
    measures = Measures("regression", (Metric("mse", "lower"), Metric("r2")), "val_r2")
    points = [
        Point(at, 0.1, val_loss=1.0, val_mse=1.0, val_r2=r2, test_mse=0.5, test_r2=-0.25)
        for at, r2 in ((0, 0.5), (9, 0.1))
    ]
    result = replace(done.result, points=points, train={"mse": 0.25, "r2": 0.75}, measures=measures)
    row = result_row(replace(done, result=result), ABOUT)
    with_observed(RESULTS, [row]).write(tmp_path, [row])
    (read_back,) = read_table(RESULTS, tmp_path / "results.csv")
    assert {name: read_back[name] for name in row if not name.startswith("_")} == {
        name: value for name, value in row.items() if not name.startswith("_")
    }
    assert (read_back["early_stop_val_r2"], read_back["early_stop_test_mse"], read_back["final_train_r2"]) == (
        0.5,
        0.5,
        0.75,
    )
    assert read_back["final_test_accuracy"] is None and measures_of(read_back).primary.better == "lower"
    curve = written(tmp_path, CURVES, curve_rows(result))
    assert [float(point["val_r2"]) for point in curve if point["val_r2"]] == [0.5, 0.1]
    broken = with_observed(RESULTS, [row]).write(tmp_path, [row | {"metrics": "mse"}])
    with pytest.raises(LotteryError, match="metrics=mse, decided_by=val_r2: must name metrics"):
        read_table(RESULTS, broken)


@pytest.mark.parametrize("table", [RESULTS, LAYERS, CURVES], ids=lambda table: table.name)
def test_every_column_says_what_it_means(table):
    assert all(column.meaning for column in table.columns) and table.meaning
    assert set(table.key) <= set(table.names)


def test_a_curve_has_a_row_for_every_evaluation_and_every_observation(make_outcome):
    result = make_outcome().result
    rows = {row["iteration"]: row for row in curve_rows(result)}
    assert sorted(rows) == sorted({point.iteration for point in result.points} | {0, 10, 20, 30})
    assert rows[10]["grad_norm"] and rows[10]["val_loss"] is None and rows[7]["grad_norm"] is None
    assert rows[0]["train_loss"] is None and rows[7]["train_loss"] > 0


def test_a_further_observer_fills_the_columns_that_it_declares(make_outcome, tmp_path):
    class Largest:
        key, every, columns = "largest", 15, {"total": Column("largest_weight")}

        def __call__(self, model, spec):
            sizes = {name: x.abs().max().item() for name, x in model.named_parameters()}
            return sizes | {"total": max(sizes.values())}

    done = make_outcome("ticket", 0, 0, Largest())
    (row,) = written(tmp_path, RESULTS, [result_row(done, ABOUT)])
    layers = written(tmp_path, LAYERS, layer_rows(done))
    largest = dict(done.result.observed["largest"])
    assert list(row)[len(RESULTS.columns) :] == ["largest_weight_init", "largest_weight_end"] and row["grad_norm_end"]
    assert float(row["largest_weight_init"]) == largest[0]["total"]
    assert [float(layer["largest_weight_end"]) for layer in layers] == [
        largest[30][f"{name}.weight"] for name in ("fc1", "fc2", "output")
    ]
    curve = {int(row["iteration"]): row["largest_weight"] for row in written(tmp_path, CURVES, curve_rows(done.result))}
    assert {iteration: float(cell) for iteration, cell in curve.items() if cell} == {
        iteration: values["total"] for iteration, values in largest.items()
    }
    read_back = {row["iteration"]: row["largest_weight"] for row in read_table(CURVES, tmp_path / "curves.csv")}
    assert read_back == {iteration: float(cell) if cell else None for iteration, cell in curve.items()}


def test_the_density_of_all_parameters_is_that_of_the_levels_network(make_outcome):
    """Of 552 weights and 23 biases; a narrower network counts with what it has."""
    done = make_outcome()
    assert result_row(done, ABOUT)["parameter_density"] == 1
    mask = {name: kept.clone() for name, kept in done.spec.mask.items()}
    mask["fc1.weight"][:6] = False
    pruned = replace(done, spec=replace(done.spec, mask=mask))
    assert result_row(pruned, ABOUT)["parameter_density"] == (575 - 216) / 575
    small = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    narrow = replace(done, spec=replace(done.spec, model=small, mask=dense(prunable(small))))
    assert result_row(narrow, ABOUT)["parameter_density"] == 23 / 575


def test_a_diverged_run_has_empty_cells(make_outcome, wild_rate):
    row = result_row(make_outcome(optimizer="sgd"), ABOUT)
    assert row["status"] == "diverged"
    for key in ("early_stop_iteration", "early_stop_test_accuracy", "final_test_accuracy", "grad_norm_end"):
        assert row[key] is None


def test_a_mask_that_changed_in_training_counts_as_it_ended(make_outcome):
    done = make_outcome()
    spec = replace(done.spec, update=GradualPruning(0.2, 5, 20, 5))
    changed = replace(done, spec=spec, result=train(spec, [GradientNorm(10)]))
    row, layers = result_row(changed, ABOUT), layer_rows(changed)
    assert row["weights_left"] == 86 + 19 + 5 and row["density"] == pytest.approx(110 / 552) == 1 - row["sparsity"]
    assert [(layer["size"], layer["kept"]) for layer in layers] == [(432, 86), (96, 19), (24, 5)]
    assert [layer["density"] for layer in layers] == [86 / 432, 19 / 96, 5 / 24]
    assert result_row(done, ABOUT)["weights_left"] == 552
