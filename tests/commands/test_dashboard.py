"""`lth dashboard` builds the panels of an experiment, and pushes them where there is a login."""

import json
import subprocess
import sys

import pytest

from lth.commands.dashboard import contents, main
from lth.core.errors import LotteryError
from lth.discovery import sources
from lth.report.wandb import dashboard
from lth.report.wandb.chapters import chapters

pytestmark = pytest.mark.usefixtures("no_account")


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
    sections = view["spec"]["section"]["panelBankConfig"]["sections"]
    assert [one["name"] for one in sections] == [chapter.name for chapter in chapters(contents("imp"))]


@pytest.mark.parametrize("experiment", sorted(sources()))
def test_every_experiment_has_a_dashboard(printed, experiment):
    view = printed("report", "--experiment", experiment, "--setting", "abc")
    assert view["displayName"] == f"Lottery tickets: {'' if experiment == 'imp' else f'{experiment}, '}abc"
    assert f"{experiment}-abc" in json.dumps(view)


def test_the_panels_are_of_the_metric_that_is_named(printed):
    shown = json.dumps(printed("report", "--metric", "token_error")).lower()
    assert "final_test_token_error" in shown and "test token error at early stopping" in shown
    assert "token error and early stop" in shown and "test accuracy" not in shown and "final_test_accuracy" not in shown
    with pytest.raises(LotteryError, match="is no name of a metric"):
        main(["--metric", "a b"])


def test_an_unknown_experiment_is_named_with_the_nearest():
    with pytest.raises(LotteryError, match=r"^--experiment: no experiment is called deplo; did you mean deploy\?"):
        main(["--experiment", "deplo"])


def test_the_project_is_that_of_the_environment(printed, monkeypatch):
    assert printed()["project"] == "lth"
    monkeypatch.setenv("WANDB_PROJECT", "theirs")
    assert printed()["project"] == "theirs" and printed("--project", "mine")["project"] == "mine"


def test_the_json_goes_to_a_file(tmp_path, monkeypatch, capsys):
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


def test_who_is_logged_in_comes_from_wandb(monkeypatch):
    def fail():
        raise ConnectionError("no network")

    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setattr("wandb.Api", fail)
    with pytest.raises(LotteryError, match="does not say who is logged in: no network"):
        main([])


def test_help_needs_neither_torch_nor_wandb(tmp_path):
    code = "import sys\nfrom lth.commands.dashboard import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "assert not {'torch', 'wandb', 'matplotlib', 'wandb_workspaces'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "--setting" in done.stdout and "--experiment" in done.stdout
