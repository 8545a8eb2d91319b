"""W&B shows what a job did, once, and never ends it; its offline files are read back with W&B's own reader."""

import csv
import json
import logging
import threading
from pathlib import Path

import pytest
import yaml
from PIL import Image

from lth.analysis.probes import PROBES, tables_of
from lth.cli.config import read
from lth.discovery import place
from lth.report.tables import CURVES, RESULTS
from lth.report.wandb.levels import HEADLINES, RESULT_COLUMNS, measured_columns
from lth.report.wandb.mode import wandb_mode
from lth.report.wandb.run import RunInfo
from lth.report.wandb.tracking import Ending, Wandb
from tests.composing import configuration

pytestmark = pytest.mark.usefixtures("no_account")

LAYERS = ("fc1", "fc2", "output")
PROBE_COLUMNS = measured_columns(tables_of([]))


@pytest.fixture
def tracker(tmp_path):
    """A tracker of an experiment with two arms, writing below a folder of its own."""

    def make(mode="offline"):
        config = {"arms": ["ticket", "reinit"], "recipe": {"lr": 0.1}}
        about = {"project": "tried", "tags": ("small",), "group": "imp-abc", "job_type": "imp"}
        return Wandb(tmp_path / "out", mode, RunInfo("run0", "small-seed0", config=config, **about))

    return make


@pytest.fixture
def ticket(tmp_path):
    """A file to stand for a ticket."""
    path = tmp_path / "ticket.safetensors"
    path.write_bytes(b"a ticket")
    return path


@pytest.fixture
def figure(tmp_path):
    """A file to stand for a figure."""
    path = tmp_path / "accuracy.png"
    Image.new("RGB", (2, 2)).save(path)
    return path


def result(level: int, arm: str = "ticket", **more) -> dict:
    """A row of results.csv, with what a chart is about."""
    about = {"level": level, "arm": arm, "draw": 0, "density": 0.8**level, "run": f"{arm}{level}"}
    return RESULTS.row(about | {"final_test_accuracy": 0.9 - 0.1 * level} | more)


def go_through(tracker: Wandb, ticket: Path, beside: bool = False) -> None:
    """All that a replicate does with its tracker; beside: the run begins beside the first training."""
    if beside:
        tracker.begin()
        tracker.begin()
    tracker.log_level([result(0)], [{"layer": "fc1", "density": 1.0, "grad_norm_init": None}])
    tracker.start()
    tracker.start()
    tracker.log_level([result(1), result(1, "reinit", final_test_accuracy=0.7)])
    tracker.finish(Ending([ticket], [result(0), result(1)]))
    tracker.stop()


def metrics(entries) -> dict[str, tuple[str | None, bool, bool]]:
    """What was defined: name -> its axis, whether W&B's automatic panels leave it out, and whether the summary does."""
    return {
        metric.get("glob_name") or metric["name"]: (
            metric.get("step_metric"),
            metric["options"].get("hidden", False),
            metric.get("summary", {}).get("none", False),
        )
        for metric in entries["metric"]
    }


def test_a_run_is_written_whole(tracker, ticket, tmp_path, runs, records, history, inspect):
    go_through(tracker(), ticket)
    (path,) = runs(tmp_path / "out")
    entries = records(path)
    run, *_ = entries["run"]
    assert (run["run_id"], run["run_group"], run["job_type"]) == ("run0", "imp-abc", "imp")
    assert (run["project"], run["display_name"], run["tags"]) == ("tried", "small-seed0", ["small"])
    on_level = ("level", False, False)
    assert metrics(entries) == {
        "level": (None, True, False),
        "layer/*": ("level", True, False),
        **dict.fromkeys(("density", "sparsity", "ticket/*", "reinit/*"), on_level),
    }
    rows = history(entries, "level")
    assert [(row["_step"], row["level"], row["density"]) for row in rows] == [(0, 0, 1.0), (1, 1, 0.8)]
    assert rows[1]["accuracy/reinit"] == rows[1]["reinit/final_test_accuracy"] == 0.7
    assert [artifact["type"] for artifact in entries["artifact"] if artifact["name"] == "ticket-run0"] == ["ticket"]
    assert [record["exit_code"] for record in entries["exit"]] == [0]
    summary = json.loads(inspect(path, "--summary"))
    assert summary["state"] == "finished" and summary["summary"]["results"]["nrows"] == 2
    assert summary["config"] == {"arms": ["ticket", "reinit"], "recipe": {"lr": 0.1}}


def test_charts_and_tables_are_no_metrics(tracker, ticket, figure, tmp_path, runs, records, inspect):
    """They lie in the summary; in the history, of which `wandb leet` charts every number, are levels and pictures."""
    shows = tracker()
    shows.start()
    results = [result(0), result(1), result(1, "reinit")]
    curves = [
        CURVES.row(run=row["run"], iteration=iteration, val_loss=1.0, train_loss=2.0)
        for row in results
        for iteration in (0, 10)
    ]
    for level in (0, 1):
        shows.log_level([row for row in results if row["level"] == level])
    shows.finish(Ending([ticket], results, curves, {figure: "What it shows."}, "Wins."))
    (path,) = runs(tmp_path / "out")
    entries = records(path)
    levels, images = [row["item"] for row in entries["history"]][:2], entries["history"][2]["item"]
    assert len(entries["history"]) == 3 and all(type(value) is not dict for row in levels for value in row.values())
    assert {key.rpartition(".")[0] for key in images if not key.startswith("_")} == {"figures/accuracy"}
    assert (images["figures/accuracy._type"], images["figures/accuracy.caption"]) == ("image-file", "What it shows.")
    summary = json.loads(inspect(path, "--summary"))["summary"]
    tables = {key: value["nrows"] for key, value in summary.items() if isinstance(value, dict) and "nrows" in value}
    assert tables == {
        "results": 3,
        "figures/accuracy_by_level_table": 3,
        "training/ticket_table": 4,
        "training/reinit_table": 2,
    }
    assert panels(entries, "figures/accuracy_by_level")["fieldSettings"] == {
        "step": "level",
        "lineKey": "series",
        "lineVal": "accuracy",
    }
    training = panels(entries, "training/ticket")
    assert training["fieldSettings"] == {"step": "iteration", "lineKey": "line", "lineVal": "val_loss"}
    assert training["panelDefId"] == "wandb/lineseries/v0"
    assert training["stringSettings"] == {"title": "Validation loss: ticket", "xname": "iteration"}
    assert "training/ticket_table" in json.dumps(training["userQuery"])


def panels(entries: dict, key: str) -> dict:
    """What W&B's own workspace gets about the chart `key`."""
    updates = [record["update"] for record in entries["config"]]
    (chart,) = [update[f"_wandb.visualize.{key}"] for update in updates if f"_wandb.visualize.{key}" in update]
    return chart["panel_config"]


def test_a_job_that_is_broken_off_ends_its_run_as_failed(tracker, tmp_path, runs, records):
    broken = tracker()
    broken.start()
    broken.stop()
    (path,) = runs(tmp_path / "out")
    assert records(path)["exit"][0]["exit_code"] == 1


TWICE = """\
import sys
from lth.cli import main
for _ in range(2):
    sys.argv = ["lth", *{words}]
    main()
"""


@pytest.mark.slow
def test_a_command_writes_one_run_and_the_same_command_again_writes_none(
    command, tmp_path, prepared_mnist1d, runs, records, history
):
    words = ["imp", "scale=smoke", "levels=1", "arms=[ticket,reinit]", f"data.root={prepared_mnist1d}"]
    script = TWICE.format(words=[*words, "outputs=out", "wandb.mode=offline"])
    done = command(cwd=tmp_path, code=script, WANDB_MODE=None)
    assert "warning" not in done.stderr, done.stderr
    assert "3 trained, 0 found" in done.stdout and "0 trained, 3 found" in done.stdout
    (path,) = runs(tmp_path / "out")
    entries = records(path)
    run, *_ = entries["run"]
    with min(tmp_path.glob("out/imp/*/results.csv")).open() as file:
        results = list(csv.DictReader(file))
    assert run["run_group"] == f"imp-{results[0]['setting']}" and run["job_type"] == "imp"
    assert run["config"]["update"]["recipe"]["lr"] == 1.2e-3 and run["config"]["update"]["seed"] == 0
    assert f"ticket-{run['run_id']}" in [artifact["name"] for artifact in entries["artifact"]]
    *_, last = entries["history"]
    drawn = {key.split(".")[0] for key in last["item"] if not key.startswith("_")}
    assert drawn == {f"figures/{name}" for name in ("accuracy", "curves", "gradient_norm", "layers")}
    assert len(entries["history"]) == 3  # two levels, then the figures
    check_levels(history(entries, "level"), results)


def check_levels(rows: list[dict], results: list[dict[str, str]]) -> None:
    """A row a level with exactly the names that dashboards rely on, and the figures of `results.csv`."""
    layers = {f"layer/{name}/{key}" for name in LAYERS for key in ("density", "grad_norm")}
    for level, arms in enumerate((["ticket"], ["ticket", "reinit"])):
        row = {key: value for key, value in rows[level].items() if not key.startswith("_")}
        headlines = {f"{headline.name}/{arm}" for headline in HEADLINES for arm in arms}
        assert set(row) == {"level", "density", "sparsity"} | metrics_of(arms) | headlines | layers
        for arm in arms:
            (kept,) = [kept for kept in results if kept["level"] == str(level) and kept["arm"] == arm]
            assert row["density"] == pytest.approx(float(kept["density"]), rel=1e-12)
            for key in RESULT_COLUMNS:
                assert row[f"{arm}/{key}"] == pytest.approx(float(kept[key]), rel=1e-12)
            assert row[f"accuracy/{arm}"] == row[f"{arm}/early_stop_test_accuracy"]
            assert row[f"early_stop/{arm}"] == row[f"{arm}/early_stop_iteration"]
            assert row[f"grad_norm/{arm}"] == row[f"{arm}/grad_norm_init"]
    assert [row["level"] for row in rows] == [row["_step"] for row in rows] == [0, 1]


def metrics_of(arms: list[str]) -> set[str]:
    """The contract's keys of some arms, and what a sweep minimises."""
    columns = ("early_stop_test_accuracy", "final_test_accuracy", "early_stop_iteration", "grad_norm_init")
    return {f"{arm}/{key}" for arm in arms for key in (*columns, "grad_norm_end", "early_stop_val_loss")}


def logged(tracker: Wandb, ticket: Path, levels: int) -> None:
    """A replicate with so many levels, three arms and two layers, with a training curve each."""
    tracker.start()
    arms = ("ticket", "reinit", "scratch")
    results = [
        result(level, arm, early_stop_iteration=100, grad_norm_init=1.0)
        for level in range(levels + 1)
        for arm in (arms if level else arms[:1])
    ]
    curves = [CURVES.row(run=row["run"], iteration=at, val_loss=1.0) for row in results for at in range(5)]
    for level in range(levels + 1):
        layers = [{"layer": name, "density": 0.5, "grad_norm_init": 1.0} for name in ("fc1", "output")]
        tracker.log_level([row for row in results if row["level"] == level], layers)
    tracker.finish(Ending([ticket], results, curves))


@pytest.mark.slow
def test_a_run_has_as_many_metrics_whatever_its_levels(tracker, ticket, tmp_path, runs, records, inspect):
    """A hundred levels stay readable: more levels make lines longer, and neither more keys nor more curves a chart."""
    keys, summaries = [], []
    for levels in (3, 30):
        logs = tracker()
        logs.directory = tmp_path / str(levels)
        logged(logs, ticket, levels)
        (path,) = runs(logs.directory)
        entries = records(path)
        assert len(entries["history"]) == levels + 1
        keys.append(sorted({key for row in entries["history"] for key in row["item"] if not key.startswith("_")}))
        summaries.append(json.loads(inspect(path, "--summary"))["summary"])
    assert keys[0] == keys[1]
    assert len(keys[0]) == 3 + 2 * 2 + 3 * (3 + 3)  # of each arm three measurements, and as many headlines
    assert summaries[0].keys() == summaries[1].keys()
    assert summaries[1]["training/ticket_table"]["nrows"] == 5 * 5  # the dense network and four levels


def test_wandb_leet_shows_accuracy_early_stop_and_gradient_norm_first(tracker, ticket, tmp_path, runs, records):
    """It sorts its charts by name: before the layers of the network come the headlines and the density."""
    logged(tracker(), ticket, 3)
    (path,) = runs(tmp_path / "out")
    keys = {key for row in records(path)["history"] for key in row["item"] if not key.startswith("_")}
    names = [name.split("/")[0] for name in sorted(keys)]
    assert names[:10] == [*["accuracy"] * 3, "density", *["early_stop"] * 3, *["grad_norm"] * 3]


PROBED = """\
import os, sys
from lth.cli import main
from lth.report import recorder
recorder.draw = lambda *_: []  # that takes most of the time
for mode, words in (("disabled", []), ("offline", {probes}), ("offline", {probes})):
    os.environ["WANDB_MODE"] = mode
    sys.argv = ["lth", *{words}, *words]
    main()
"""


@pytest.mark.slow
def test_probes_of_what_is_trained_already_write_one_run(command, tmp_path, prepared_mnist1d, runs, records, history):
    words = ["imp", "scale=smoke", "levels=1", "arms=[ticket,reinit]", f"data.root={prepared_mnist1d}", "outputs=out"]
    words += ["model=mlp", "model.widths=[4]"]
    script = PROBED.format(
        words=words, probes=["probes=[distance,interpolation,agreement,level_to_level]", "line_examples=50"]
    )
    done = command(cwd=tmp_path, code=script, WANDB_MODE=None)
    assert "warning" not in done.stderr, done.stderr
    (path,) = runs(tmp_path / "out")
    rows = history(records(path), "level")
    with max(tmp_path.glob("out/imp/*/probes.csv")).open() as file:
        probes = list(csv.DictReader(file))
    assert len(rows) == 2 and len(probes) == 3
    for probed in probes:
        measured = {f"{probed['arm']}/{key}": float(probed[key]) for key in PROBE_COLUMNS if probed[key]}
        row = rows[int(probed["level"])]
        assert {key: row[key] for key in measured} == pytest.approx(measured, rel=1e-12)
    logged = {key for row in rows for key in row if key.split("/")[-1] in PROBE_COLUMNS}
    of_draws = {"disagreement_between_draws", "ensemble_accuracy"}
    of_tickets = {
        column.name for column in PROBES.get("level_to_level", "probes").columns if column.name != "line_examples"
    }
    of_others = {"disagreement_with_ticket", "kl_with_ticket"}
    of_arm = {"ticket": of_others, "reinit": of_tickets}
    assert logged == {f"{arm}/{key}" for arm, out in of_arm.items() for key in {*PROBE_COLUMNS} - of_draws - out}


def test_nothing_is_begun_before_a_training(tracker, ticket, tmp_path, monkeypatch):
    monkeypatch.setattr("wandb.init", lambda **_: pytest.fail("begun"))
    waits = tracker()
    waits.log_level([result(0)])
    waits.finish(Ending([ticket]))
    waits.stop()
    assert not (tmp_path / "out").exists()


def test_a_disabled_tracker_does_nothing(tracker, ticket, tmp_path, monkeypatch):
    monkeypatch.setattr("wandb.init", lambda **_: pytest.fail("begun"))
    go_through(tracker("disabled"), ticket)
    assert not (tmp_path / "out").exists()


class Failing:
    """A W&B run that fails in the method `where`, and keeps the names of all that are called."""

    resumed, step = False, 0

    def __init__(self, where: str) -> None:
        self.where, self.calls, self.summary = where, [], {}

    def call(self, what: str, *_, **__) -> None:
        self.calls.append(what)
        if what == self.where:
            raise ConnectionError(f"no {what}\nsecond line")

    def __getattr__(self, what: str):
        return lambda *words, **more: self.call(what, *words, **more)


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("where", ["init", "define_metric", "log", "log_artifact", "finish"])
def test_a_failing_wandb_is_one_warning(tracker, ticket, monkeypatch, caplog, where, beside):
    run = Failing(where)
    monkeypatch.setattr("wandb.init", lambda **_: run.call("init") or run)
    go_through(tracker(), ticket, beside)
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert f"W&B failed (no {where})" in warning.getMessage() and run.calls[-1] == where


@pytest.fixture
def slow(monkeypatch):
    """A W&B run that is there once `slow.ready` is set."""
    run = Failing("nowhere")
    run.ready = threading.Event()
    monkeypatch.setattr("wandb.init", lambda **_: run.ready.wait(20) and run)
    return run


def test_a_run_begins_beside_the_first_training_and_has_all_that_was_logged_before(tracker, ticket, slow):
    late = tracker()
    late.begin()
    late.log_level([result(0)])
    late.log_level([result(1)])
    assert slow.calls == []  # nobody has waited for it
    slow.ready.set()
    late.start()
    late.log_level([result(2)])
    late.finish(Ending([ticket]))
    late.stop()
    assert slow.calls.count("log") == 3 and slow.calls.count("finish") == 1


@pytest.mark.parametrize("end", ["stop", "finish"])
def test_a_run_that_is_just_beginning_is_ended_with_its_job(tracker, slow, end):
    codes = []
    slow.finish = lambda exit_code=0: codes.append(exit_code)
    late = tracker()
    late.begin()
    slow.ready.set()
    late.finish(Ending([])) if end == "finish" else late.stop()
    late.stop()
    assert codes == [int(end == "stop")] and late.run is None


def test_a_run_that_goes_on_logs_no_level_twice(tracker, ticket, monkeypatch):
    """Online, a job that was killed finds its run again, with the levels that were logged before."""
    run = Failing("nowhere")
    run.resumed, run.step = True, 1
    monkeypatch.setattr("wandb.init", lambda **_: run)
    go_through(tracker(), ticket)
    logged = [what for what in run.calls if what not in ("define_metric", "_config_callback")]
    assert logged == ["log", "log_artifact", "finish"]  # level 1 alone
    assert run.summary["results"].data[0][RESULTS.names.index("level")] == 0  # what the summary has is whole


class Recording(Failing):
    """A W&B run that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__("nowhere")
        self.calls: list[tuple] = []

    def define_metric(self, name: str, **more) -> None:
        self.calls.append(("define", name, more.get("step_metric")))

    def log(self, row: dict, step: int, commit: bool) -> None:
        self.calls.append(("log", row["level"], step))


def test_a_second_search_goes_on_with_the_steps_and_names_the_axis_of_its_headlines(tracker, monkeypatch):
    run = Recording()
    monkeypatch.setattr("wandb.init", lambda **_: run)
    logs = tracker()
    logs.start()
    for level, kind in ((0, "weights"), (1, "weights"), (0, "channels"), (1, "channels")):
        logs.log_level([result(level, kind)])
    assert run.calls[4:] == [
        ("define", "weights/*", "level"),
        ("log", 0, 0),
        ("log", 1, 1),
        ("define", "accuracy/*", "level"),
        ("define", "channels/*", "level"),
        ("log", 0, 2),
        ("log", 1, 3),
    ]


def test_a_run_that_cannot_be_ended_when_a_job_breaks_off_is_one_warning(tracker, monkeypatch, caplog):
    monkeypatch.setattr("wandb.init", lambda **_: Failing("finish"))
    broken = tracker()
    broken.start()
    broken.stop()
    broken.stop()
    assert len(caplog.records) == 1


def test_auto_is_offline_without_a_key(monkeypatch):
    assert wandb_mode("auto") == "offline"
    monkeypatch.setenv("WANDB_API_KEY", "")
    assert wandb_mode("auto") == "offline"


def test_auto_is_online_with_a_key(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert wandb_mode("auto") == "online"
    assert wandb_mode("offline") == "offline" and wandb_mode("disabled") == "disabled"


@pytest.mark.parametrize(
    ("entry", "server", "mode"),
    [
        ("machine api.wandb.ai login user password KEY", "", "online"),
        ("machine api.forge.coreweave.com login user password KEY", "", "online"),
        ('machine api.wandb.ai login user password ""', "", "offline"),
        ("machine example.org login user password KEY", "", "offline"),
        (
            "machine example.org:8080 login user password KEY",
            "http://example.org:8080",
            "online",
        ),
        (
            "machine api.wandb.ai login user password KEY",
            "http://example.org:8080",
            "offline",
        ),
        ("machine", "", "offline"),
        ("\xff\xfe", "", "offline"),
    ],
)
def test_auto_finds_a_key_where_wandb_finds_it(tmp_path, monkeypatch, entry, server, mode):
    (tmp_path / "netrc").write_bytes(entry.replace("KEY", "0" * 40).encode("latin-1"))
    monkeypatch.setenv("WANDB_BASE_URL", server)
    assert wandb_mode("auto") == mode


def test_the_key_in_the_home_folder_is_found_whatever_its_mode(tmp_path, monkeypatch):
    monkeypatch.delenv("NETRC")
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / ".netrc"
    path.write_text(f"machine api.wandb.ai login user password {40 * '0'}\n")
    path.chmod(0o644)
    assert wandb_mode("auto") == "online"


@pytest.mark.parametrize("mode", ["online", "offline", "disabled"])
def test_wandb_mode_in_the_environment_wins(monkeypatch, mode):
    monkeypatch.setenv("WANDB_MODE", mode)
    assert [wandb_mode(setting) for setting in ("auto", "online", "offline", "disabled")] == [mode] * 4


LOGIN = """\
import pathlib, wandb
from lth.report.wandb.run import RunInfo, begin
wandb.init = lambda **_: wandb.termlog("Loaded credentials")  # as its login does
begin(pathlib.Path("out"), "online", RunInfo("run0", "name", "group", "imp"))
"""


@pytest.mark.slow
def test_wandb_says_nothing_of_a_login(command, tmp_path):
    done = command(cwd=tmp_path, code=LOGIN, WANDB_MODE=None, WANDB_API_KEY="0" * 40)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("value", ["true", "1", "True", "yes"])
def test_wandb_disabled_in_the_environment_wins_over_all(monkeypatch, value):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_DISABLED", value)
    assert wandb_mode("offline") == "disabled"


@pytest.mark.parametrize(("older", "mode"), [("dryrun", "offline"), ("run", "online")])
def test_older_names_of_modes_are_understood(monkeypatch, older, mode):
    monkeypatch.setenv("WANDB_MODE", older)
    assert wandb_mode("auto") == mode


def test_the_environment_fills_what_the_settings_leave_open(monkeypatch):
    info = RunInfo("run0", "name", "group", "imp")
    assert info.arguments()["project"] == "lth"
    monkeypatch.setenv("WANDB_PROJECT", "theirs")
    assert info.arguments()["project"] == "theirs"
    assert info.arguments()["tags"] is None and info.arguments()["notes"] is None  # then WANDB_TAGS, WANDB_NOTES hold
    assert RunInfo("run0", "name", "group", "imp", project="mine").arguments()["project"] == "mine"


@pytest.fixture
def sweep():
    """The W&B sweep that comes with the configurations."""
    return yaml.safe_load((place("conf") / "wandb_sweep.yaml").read_text())


def trial(sweep, *more: str) -> list[str]:
    """The command of a sweep's first trial, as W&B's agent makes it, behind the program."""
    chosen = [f"{key}={entries['values'][0]}" for key, entries in sweep["parameters"].items()]
    start, end = sweep["command"].index("${program}"), sweep["command"].index("${args_no_hyphens}")
    assert sweep["command"][start - 1] == "${env}" and sweep["program"] == "lth"
    return [*sweep["command"][start + 1 : end], *chosen, *more]


def test_every_value_of_the_sweep_is_one_that_lth_imp_takes(sweep):
    for key, entries in sweep["parameters"].items():
        for value in entries["values"]:
            _, *words = trial(sweep, f"{key}={value}")
            assert read(configuration("imp", *words)).experiment == "imp"


AGENT = """\
import os, sys
from lth.cli import main
for environment in ({{"WANDB_MODE": "disabled"}}, {agent}):
    os.environ |= environment
    sys.argv = ["lth", *{words}]
    main()
"""


@pytest.mark.slow
def test_a_trial_of_an_agent_is_the_agents_run_even_where_nothing_is_trained(
    command, sweep, tmp_path, prepared_mnist1d, runs, records, history, inspect
):
    """Else the server waits for a result for ever: the run that W&B knows has the agent's id, and not lth's own."""
    given = {"MODE": "offline", "SWEEP_ID": "sweep1", "RUN_ID": "trial1", "PROJECT": "searched", "ENTITY": "someone"}
    small = ["scale=smoke", "levels=1", "model=mlp", "model.widths=[4]", "outputs=out", "wandb.project=other"]
    words = trial(sweep, f"data.root={prepared_mnist1d}", *small)
    script = AGENT.format(words=words, agent={f"WANDB_{key}": value for key, value in given.items()})
    done = command(cwd=tmp_path, code=script, WANDB_MODE=None)
    assert "warning" not in done.stderr.lower(), done.stderr
    assert "0 trained, 2 found" in done.stdout
    (path,) = runs(tmp_path / "out")
    entries = records(path)
    run, *_ = entries["run"]
    assert (run["run_id"], run["sweep_id"]) == ("trial1", "sweep1")
    assert (run["project"], run["entity"]) == ("searched", "someone")
    objective = sweep["metric"]["name"]
    measured = [row[objective] for row in history(entries, objective)]
    assert len(measured) == 2 and sweep["metric"]["goal"] == "minimize"
    assert json.loads(inspect(path, "--summary"))["summary"][objective] == measured[-1]  # the server reads the summary
