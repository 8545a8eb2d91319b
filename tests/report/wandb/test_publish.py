"""`lth report --wandb` writes what several seeds show as one W&B run a setting, beside the seeds' own runs."""

import json
import logging

import pytest

from lth.core.files import write_csv, write_text
from lth.report.gather import gather
from lth.report.summary import summary_rows
from lth.report.tables import RESULTS
from lth.report.wandb.publish import NUMBERS, level_rows, outputs_of, project_of
from lth.reporting import report

pytestmark = pytest.mark.usefixtures("no_account")

SEEDS = range(4)


def rows_of(seed, **more):
    """A ticket as good as dense at level 1 and 8 points worse at level 2, better than its controls at both."""
    about = {"experiment": "imp", "setting": "one", "data": "mnist", "model": "lenet", "schedule": "iterative"}
    accuracy = {("ticket", 0): 0.98, ("ticket", 1): 0.981, ("ticket", 2): 0.9}
    accuracy |= {(arm, level): 0.8 for arm in ("reinit", "shuffle") for level in (1, 2)}
    return [
        dict.fromkeys(RESULTS)
        | about
        | {"seed": seed, "level": level, "arm": arm, "draw": 0, "status": "done", "density": 0.5**level}
        | {"sparsity": 1 - 0.5**level, "weights_left": 1000 // 2**level, "rewind": 0, "run": f"{seed}{level}{arm}"}
        | {
            "test_examples": 10**8,
            "early_stop_iteration": 3900 if level else 4000,
            "early_stop_censored": False,
            "early_stop_val_loss": 0.1,
        }
        | {"early_stop_test_accuracy": value + 0.0001 * seed * level, "final_test_accuracy": value}
        | {"final_train_accuracy": 1.0, "final_val_loss": 0.2, "iterations": 10_000, "seconds": 1.0}
        | more
        for (arm, level), value in accuracy.items()
    ]


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    """An outputs folder with four seeds' results, whose jobs name a W&B project of their own."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "outputs"
    (folder / "store").mkdir(parents=True)
    for seed in SEEDS:
        write_csv(folder / "imp" / str(seed) / "results.csv", RESULTS, rows_of(seed))
        write_text(folder / "imp" / str(seed) / ".hydra" / "config.yaml", "wandb: {project: mine, entity: team}\n")
    return folder


@pytest.mark.slow
def test_one_run_holds_the_verdicts_beside_the_seeds(outputs, runs, records, history, inspect, capsys):
    report([outputs / "imp"], wandb="offline")
    message = capsys.readouterr().out.splitlines()[-1]
    (path,) = runs(outputs)
    assert message == f"W&B run 'report, 4 seeds' of one: {path.parent} (offline: wandb sync uploads it)"
    entries = records(path)
    (run,) = entries["run"]
    assert (run["job_type"], run["run_group"], run["display_name"]) == ("report", "imp-one", "report, 4 seeds")
    assert (run["project"], run["entity"]) == ("mine", "team") and "smallest density with a winning" in run["notes"]
    assert run["config"]["update"]["seeds"] == [0, 1, 2, 3] and run["config"]["update"]["setting"] == "one"
    rows = history(entries, "level")
    assert [(row["level"], row["density"]) for row in rows] == [(0, 1.0), (1, 0.5), (2, 0.25)]
    assert [row.get("report/verdict") for row in rows] == [None, 1, -1]
    assert [row.get("report/matching") for row in rows] == [None, 1, -1]
    *_, last = entries["history"]
    assert last["item"]["figures/frankle2019_fig4._type"] == "image-file"
    assert not any(
        "tables" in key for row in entries["history"] for key in row["item"]
    )  # `wandb leet` would chart them
    steps = {metric.get("glob_name") or metric["name"]: metric.get("step_metric") for metric in entries["metric"]}
    assert steps["report/*"] == steps["report/ticket/low/*"] == "level"
    end = json.loads(inspect(path, "--summary"))
    assert end["state"] == "finished" and end["summary"]["tables/summary"]["nrows"] == 7
    assert end["summary"]["tables/differences"]["nrows"] > 0


def test_the_means_and_bounds_are_those_of_the_summary(outputs):
    summary = summary_rows(gather([outputs]).rows)
    for values in level_rows(summary):
        for row in (row for row in summary if row["level"] == values["level"]):
            for column in ("early_stop_test_accuracy", "final_test_accuracy", "early_stop_iteration"):
                for bound in ("mean", "low", "high"):
                    assert values[f"report/{row['arm']}/{bound}/{column}"] == row[f"{column}_{bound}"]


def test_one_seed_has_means_without_bounds():
    values = level_rows(summary_rows(rows_of(0)))
    assert {key.split("/")[2] for row in values for key in row if key.count("/") == 3} == {"mean", "low", "high"}
    bounded = {key for row in values for key in row if key.count("/") == 3 and "/mean/" not in key}
    assert {key.rsplit("/", 1)[1] for key in bounded} == {"failure_rate"}
    assert [row.get("report/verdict") for row in values] == [None, NUMBERS["undecided"], NUMBERS["undecided"]]


@pytest.mark.slow
def test_the_same_report_again_writes_none_and_one_with_another_seed_does(outputs, runs, capsys):
    for _ in range(2):
        report([outputs / "imp"], wandb="offline")
    (first,) = runs(outputs)
    assert capsys.readouterr().out.splitlines()[-1] == f"W&B has this report already: {first.parent}"
    write_csv(outputs / "imp" / "9" / "results.csv", RESULTS, rows_of(9))
    report([outputs / "imp"], wandb="offline")
    assert len(runs(outputs)) == 2 and "'report, 5 seeds'" in capsys.readouterr().out


@pytest.mark.slow
def test_settings_are_apart(outputs, runs, records):
    write_csv(outputs / "other" / "results.csv", RESULTS, rows_of(0, setting="two", run="another"))
    report([outputs], wandb="offline")
    entries = [records(path)["run"][0] for path in runs(outputs)]
    assert {run["run_group"]: run["display_name"] for run in entries} == {
        "imp-one": "report, 4 seeds",
        "imp-two": "report, 1 seed",
    }


@pytest.mark.parametrize("mode", ["disabled", "auto"])
def test_what_is_disabled_begins_nothing(outputs, monkeypatch, mode):
    monkeypatch.setattr("wandb.init", lambda **_: pytest.fail("begun"))
    monkeypatch.setenv("WANDB_MODE", "disabled")
    report([outputs / "imp"], wandb=mode)
    assert not (outputs / "wandb").exists()


def test_a_failing_wandb_is_one_warning_and_the_report_stands(outputs, monkeypatch, caplog):
    def fail(**_):
        raise ConnectionError("no network\nsecond line")

    monkeypatch.setattr("wandb.init", fail)
    folder = report([outputs / "imp"], wandb="online")
    (message,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert message == "W&B failed (no network); the report's own files hold everything"
    assert (folder / "summary.csv").exists()


def test_where_no_job_names_a_project_the_environment_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = tmp_path / "elsewhere" / "job"
    job.mkdir(parents=True)
    assert project_of([job]) == (None, None) and str(outputs_of([job])) == "outputs"
    for text in ("", "[]", "wandb: {", "wandb: {project: x}", "wandb: {project: null, entity: null}"):
        write_text(job / ".hydra" / "config.yaml", text)
        assert project_of([job]) == (None, None)


def test_nothing_is_published_by_default(outputs, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    report([outputs / "imp"])
    assert not (outputs / "wandb").exists()
