"""The dashboard names what runs log, and nothing else: its panels are held against runs that were really recorded."""

import json
import re
import subprocess
import sys
from itertools import chain

import pytest

from lth.core.errors import LotteryError
from lth.lottery.arms import ARMS
from lth.report.wandb import dashboard
from lth.report.wandb.dashboard import main
from lth.report.wandb.panels import Listed, Pictures, Plot, chapters

pytestmark = pytest.mark.usefixtures("no_account")

PANELS = [panel for chapter in chapters(list(ARMS)) for panel in chapter.panels]

RECORD = """\
import sys
from pathlib import Path
from lth.cli import main
from lth.report.seeds.report import report
for seed in range(2):
    sys.argv = ["lth", *{words}, f"seed={{seed}}"]
    main()
report([Path("out")], wandb="offline")
"""


@pytest.fixture
def logged(command, tmp_path, prepared_mnist1d, runs, records):
    """The rows that two small replicates of every arm and their report have logged."""
    words = ["imp", "scale=smoke", "levels=3", f"arms=[{','.join(ARMS)}]", "arm_levels=[3]", "model=mlp"]
    words += ["model.widths=[8]", "recipe.iterations=4", "recipe.evaluate_every=2", f"data.root={prepared_mnist1d}"]
    words += ["rewiring.every=2"]
    script = RECORD.format(words=[*words, "outputs=out", "wandb.mode=offline"])
    command(cwd=tmp_path, code=script, WANDB_MODE=None)
    found = [records(path) for path in runs(tmp_path / "out")]
    assert sorted(record["run"][0]["job_type"] for record in found) == ["imp", "imp", "report"]
    return [row["item"] for record in found for row in record["history"]]


def test_panels_name_what_runs_log_and_nothing_else(logged):
    """All that is shown is logged, a metric in one row with its axis; all that is logged of an arm is shown."""
    for panel in PANELS:
        if isinstance(panel, Plot):
            check_plot(logged, panel)
    keys = set(chain.from_iterable(logged))
    assert {f"{key}._type" for panel in PANELS if isinstance(panel, Pictures) for key in panel.keys} <= keys
    assert {f"{panel.key}.nrows" for panel in PANELS if isinstance(panel, Listed)} <= keys
    shown = {key for panel in PANELS if isinstance(panel, Plot) for key in panel.y}
    left_out = {key for key in keys if key.split("/")[0] in ARMS} - shown
    assert left_out == {f"{arm}/early_stop_val_loss" for arm in ARMS}  # a search chooses by it


def check_plot(logged: list[dict], plot: Plot) -> None:
    """The metrics of `plot` are named, or found by what it looks for, in rows that carry its axis too."""
    beside = set(chain.from_iterable(row for row in logged if plot.x in row))
    assert set(plot.y) <= beside, plot.title
    assert bool(plot.y) != bool(plot.matching), plot.title
    if plot.matching:
        pattern = re.sub(r"level_\((06|09|12)\)", "level_(03)", plot.matching)  # no deeper than what was recorded
        assert any(re.search(pattern, key) for key in beside), plot.title


@pytest.fixture
def printed(capsys):
    """What `lth dashboard` prints for some words, read as JSON."""

    def run(*words):
        main(list(words))
        return json.loads(capsys.readouterr().out)

    return run


def test_without_a_login_the_workspace_is_printed(printed):
    view = printed("--project", "mine", "--entity", "team", "--setting", "abc", "--setting", "def")
    assert (view["project"], view["entity"], view["displayName"]) == ("mine", "team", "Lottery tickets: abc, def")
    section = view["spec"]["section"]
    sections = section["panelBankConfig"]["sections"]
    assert [one["name"] for one in sections] == [chapter.name for chapter in chapters(list(ARMS))]
    assert all(one["isOpen"] for one in sections)
    accuracy = sections[0]["panels"][0]["config"]
    assert accuracy["metrics"] == [f"{arm}/early_stop_test_accuracy" for arm in ARMS]
    assert (accuracy["xAxis"], accuracy["xLogScale"]) == ("density", True)
    assert (accuracy["groupBy"], accuracy["groupAgg"], accuracy["groupArea"]) == ("group", "mean", "minmax")
    assert accuracy["pointVisualizationMethod"] == "bucketing-gorilla"  # levels are never averaged with each other
    layers = next(one for one in sections if one["name"].startswith("Layers"))["panels"][0]["config"]
    assert layers["useMetricRegex"] and layers["metricRegex"] == "^layer/.+/sparsity$"
    (runs,) = section["runSets"]
    (only,) = runs["filters"]["filters"]
    assert (only["key"]["name"], only["op"], only["value"]) == ("group", "IN", ["imp-abc", "imp-def"])


def test_the_report_has_the_same_panels_below_headings(printed):
    view = printed("report")
    blocks = view["spec"]["blocks"]
    heads = ["".join(part["text"] for part in block["children"]) for block in blocks if block["type"] == "heading"]
    grids = [block["metadata"]["panelBankSectionConfig"] for block in blocks if block["type"] == "panel-grid"]
    shown = chapters(list(ARMS))
    assert heads == [chapter.name for chapter in shown]
    assert [len(grid["panels"]) for grid in grids] == [len(chapter.panels) for chapter in shown]
    places = [(panel["layout"]["x"], panel["layout"]["y"]) for panel in grids[1]["panels"]]
    assert len(set(places)) == len(places) and view["project"]["name"] == "lth"


def test_the_json_goes_where_it_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)  # a login does not push what is to be written
    main(["report", "--to", str(tmp_path / "below" / "report.json")])
    assert json.loads((tmp_path / "below" / "report.json").read_text())["displayName"] == "Lottery tickets"
    assert capsys.readouterr().out == ""


@pytest.fixture
def login(monkeypatch):
    """Somebody who is logged in; what is saved, with the address it is given."""
    saved = []
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setattr(dashboard, "default_entity", lambda: "somebody")
    for kind in (module.Workspace if hasattr(module, "Workspace") else module.Report for module in dashboard.library()):
        monkeypatch.setattr(kind, "save", lambda built: saved.append(built))
        monkeypatch.setattr(kind, "url", property(lambda built: f"https://example.org/{built.entity}/{built.project}"))
    return saved


@pytest.mark.parametrize("what", ["workspace", "report"])
def test_with_a_login_it_is_pushed_and_its_address_printed(login, capsys, what):
    main([what, "--project", "mine"])
    (built,) = login
    assert type(built).__name__.lower() == what
    assert capsys.readouterr().out == "https://example.org/somebody/mine\n"


def test_what_wandb_does_not_take_is_one_line(login, monkeypatch):
    def fail(built):
        raise ConnectionError("no network\nsecond line")

    monkeypatch.setattr(dashboard.library()[0].Workspace, "save", fail)
    with pytest.raises(LotteryError, match=r"^W&B did not take it: no network; --to FILE writes it as JSON$"):
        main([])


def test_who_is_logged_in_is_asked_of_wandb(monkeypatch):
    def fail():
        raise ConnectionError("no network")

    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setattr("wandb.Api", fail)
    with pytest.raises(LotteryError, match="does not tell who is logged in: no network"):
        main([])


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb_workspaces.workspaces", None)
    with pytest.raises(LotteryError, match=r"^lth dashboard needs wandb-workspaces: pip install 'lth\[reports\]'$"):
        main([])


def test_help_needs_neither_torch_nor_wandb(tmp_path):
    code = "import sys\nfrom lth.report.wandb.dashboard import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "assert not {'torch', 'wandb', 'matplotlib', 'wandb_workspaces'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "--setting" in done.stdout
