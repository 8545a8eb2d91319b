"""`lth imp` and `lth report` on a regression of the user's own: its metric and its direction in all that they leave."""

import re
from pathlib import Path

import pytest

from lth.core.errors import SettingError
from lth.reporting import report
from tests.files import read_csv

MINE = """
import torch

def data(size=120):
    x = torch.randn(size, 6, generator=torch.Generator().manual_seed(0))
    return {"train": (x, x[:, :2] * 2), "test": (x[:40], x[:40, :2] * 2), "task": "regression"}

def mae(outputs, targets):
    return {"mae": (outputs - targets).abs().mean()}
"""
WORDS = ["scale=smoke", "probe_every=20", "data=custom", "data._target_=my_regression.data", "data.validation=30"]
WORDS += ["recipe.batch_size=20", "recipe.evaluate_every=10"]


@pytest.fixture
def imp(tmp_path, here, monkeypatch):
    """Runs `lth imp` on a regression, to its end in this process; its folder and what it printed."""
    (tmp_path / "my_regression.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return lambda *words, figures=False: here(tmp_path, tmp_path, "imp", *WORDS, *words, figures=figures)


@pytest.mark.slow
def test_a_regression_leaves_columns_axes_and_a_report_of_its_metric(imp, tmp_path):
    folder, shown = imp("arms=[ticket,reinit]", figures=True)
    rows = read_csv(folder / "results.csv")
    metrics = "mse lower; rmse lower; mae lower; r2 higher"
    assert {(row["task"], row["metrics"], row["decided_by"]) for row in rows} == {("regression", metrics, "val_loss")}
    assert all(row["early_stop_test_mse"] and row["final_test_r2"] and row["final_train_rmse"] for row in rows)
    assert not any(row["final_test_accuracy"] or row["chance"] for row in rows)
    assert float(rows[0]["final_test_mse"]) < 4, "it learns"
    curve = read_csv(folder / "curves.csv")
    assert all(row["val_mse"] for row in curve if row["val_loss"])
    page = (folder / "report.html").read_text()
    assert "test mse at early stop (lower is better)" in page and "accuracy" not in page.split("<h2")[1].lower()
    assert "Test mse (lower is better) at early stop" in shown and "mean test mse differs by" in shown
    report([folder], to=tmp_path / "report")
    summary = read_csv(tmp_path / "report" / "summary.csv")
    assert summary[0]["final_test_mse_mean"] and summary[0]["metrics"] == metrics
    differences = read_csv(tmp_path / "report" / "differences.csv")
    assert {row["unit"] for row in differences} == {"mse", "ratio"}


def test_what_decides_and_whose_loss_are_settings(imp, tmp_path):
    words = ["arms=[ticket]", "levels=0", "recipe.iterations=20"]
    custom = ["task=custom", "task._target_=torch.nn.functional.l1_loss", "task.metrics=my_regression.mae"]
    folder, _ = imp(*words, *custom, "++task.better.mae=lower", "task.decide=val_mae")
    (row,) = read_csv(folder / "results.csv")
    assert (row["task"], row["metrics"], row["decided_by"]) == ("custom", "mae lower", "val_mae")
    assert row["early_stop_val_mae"] == row["early_stop_val_loss"]
    runs = {row["run"]}
    for changes in (["task=regression"], ["task=regression", "task.decide=val_r2"], []):
        folder, _ = imp(*words, *changes)
        runs.add(read_csv(folder / "results.csv")[0]["run"])
    assert len(runs) == 3, "the task that the data name is the one that is named"
    assert len(list(Path(tmp_path).glob("outputs/store/*/*/run.json"))) == 3


LOOP = """
import torch
from torch import nn

def build():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))

def fit(run):
    optimizer = run.attach(torch.optim.Adam(run.model.parameters(), 0.05))
    for step in run.steps(20):
        optimizer.zero_grad()
        inputs = torch.randn(8, 4, generator=run.rng(step))
        loss = (run.model(inputs)[:, 0] - inputs.sum(1)).abs().mean()
        loss.backward()
        optimizer.step()
        run.log(step, val_stress=loss, test_stress=loss)
    return {"test_stress": loss}
"""


def test_a_loop_of_the_users_is_shown_by_its_metric_alone(here, tmp_path, monkeypatch):
    (tmp_path / "my_loop.py").write_text(LOOP)
    monkeypatch.syspath_prepend(str(tmp_path))
    words = ["loop=custom", "loop._target_=my_loop.fit", "model=custom", "model._target_=my_loop.build", "levels=1"]
    words += ["loop.decide=val_stress", "+loop.better.stress=lower", "arms=[ticket,reinit]"]
    jobs = [here(tmp_path, tmp_path, "imp", *words, f"seed={seed}") for seed in range(2)]
    shown = " ".join(jobs[0][1].split())
    assert "Test stress (lower is better) at early stop" in shown and "accuracy" not in shown.lower()
    report([folder for folder, _ in jobs], to=tmp_path / "report")
    for page in (jobs[0][0] / "report.html", tmp_path / "report" / "report.html"):
        text = page.read_text()
        assert "test stress" in text.lower() and "lowest validation stress" in text
        assert "accuracy" not in re.sub(r"figures/accuracy|<style.*?</style>", "", text, flags=re.DOTALL).lower()


@pytest.mark.parametrize("experiment", ["at_init", "deploy", "gradient_flow", "grokking", "stability"])
def test_an_experiment_of_accuracies_refuses_another_task_in_one_line(imp, here, tmp_path, experiment):
    with pytest.raises(SettingError, match=f"^task=regression: is compared by mse, and lth {experiment} compares by"):
        here(tmp_path, tmp_path, experiment, *WORDS[2:5])
    assert not list(tmp_path.glob("outputs/store/*/*"))


def test_a_task_without_data_is_one_line(here, tmp_path):
    words = ["loop=custom", "loop._target_=my_loop.fit", "model=custom", "model._target_=my_loop.build"]
    with pytest.raises(SettingError, match=r"^task=regression: is learnt from data, and your loop brings its own"):
        here(tmp_path, tmp_path, "imp", *words, "task=regression")
