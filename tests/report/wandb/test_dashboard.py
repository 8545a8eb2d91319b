"""The dashboard names what runs log, and nothing else: its panels are held against runs that were really recorded."""

import json
import re
import sys
from dataclasses import dataclass
from itertools import chain

import pytest

from lth.core.errors import LotteryError
from lth.lottery.arms import ARMS
from lth.report.wandb import dashboard
from lth.report.wandb.chapters import Contents, chapters
from lth.report.wandb.dashboard import Scope
from lth.report.wandb.levels import RESULT_COLUMNS
from lth.report.wandb.panels import Curves, Listed, Pictures, Plot, panel_of

pytestmark = pytest.mark.usefixtures("no_account")


@dataclass(frozen=True)
class Measure:
    """A panel of a declared figure."""

    column: str
    label: str
    log: bool = False
    title: str = ""


@dataclass(frozen=True)
class Figure:
    """A declared figure."""

    name: str
    title: str
    about: str = ""
    measures: tuple[Measure, ...] = ()


FIGURES = [
    Figure("accuracy", "Accuracy", "", (Measure("final_test_accuracy", "accuracy (%)"),)),
    Figure("curves", "Training curves"),
    Figure("gradient_norm", "Gradient norm"),
    Figure("layers", "Density by layer"),
]
SEED_FIGURES = [Figure("frankle2019_fig4", "Accuracy and early stop over seeds")]
CONTENTS = Contents(list(ARMS), figures=FIGURES, seed_figures=SEED_FIGURES)
PANELS = [panel for chapter in chapters(CONTENTS) for panel in chapter.panels]

RECORD = """\
import sys
from pathlib import Path
from lth.cli import main
from lth.reporting import report
for seed in range(2):
    sys.argv = ["lth", *{words}, f"seed={{seed}}"]
    main()
report([Path("out")], wandb="offline")
"""


@pytest.fixture
def recorded(command, tmp_path, prepared_mnist1d, runs, records):
    """The records that two small replicates of every arm and their report have logged."""
    words = ["imp", "scale=smoke", "levels=3", f"arms=[{','.join(ARMS)}]", "arm_levels=[3]", "model=mlp"]
    words += ["model.widths=[8]", "recipe.iterations=4", "recipe.evaluate_every=2", f"data.root={prepared_mnist1d}"]
    words += ["rewiring.every=2"]
    script = RECORD.format(words=[*words, "outputs=out", "wandb.mode=offline"])
    command(cwd=tmp_path, code=script, WANDB_MODE=None)
    entries = [records(path) for path in runs(tmp_path / "out")]
    assert sorted(record["run"][0]["job_type"] for record in entries) == ["imp", "imp", "report"]
    return entries


@pytest.mark.slow
def test_panels_name_what_runs_log_and_nothing_else(recorded):
    """All that is shown is logged, a metric in one row with its axis; all that is logged of an arm is shown."""
    logged = [row["item"] for record in recorded for row in record["history"]]
    updates = [row["update"] for record in recorded for row in record["summary"]]
    tables = {key for row in updates for key, value in row.items() if isinstance(value, dict) and "ncols" in value}
    for panel in PANELS:
        if isinstance(panel, Plot):
            check_plot(logged, panel)
    keys = set(chain.from_iterable(logged))
    assert {f"{key}._type" for panel in PANELS if isinstance(panel, Pictures) for key in panel.keys} <= keys
    assert {panel.key for panel in PANELS if isinstance(panel, Listed | Curves)} <= tables
    shown = {key for panel in PANELS if isinstance(panel, Plot) for key in panel.y}
    left_out = {key for key in keys if key.split("/")[0] in ARMS} - shown
    assert left_out == {f"{arm}/early_stop_val_loss" for arm in ARMS}  # a sweep chooses by it


def check_plot(logged: list[dict], plot: Plot) -> None:
    """The metrics of `plot` are named, or found by what it looks for, in rows that carry its axis too."""
    beside = set(chain.from_iterable(row for row in logged if plot.x in row))
    assert set(plot.y) <= beside, plot.title
    assert bool(plot.y) != bool(plot.matching), plot.title
    if plot.matching:
        assert any(re.search(plot.matching, key) for key in beside), plot.title


def test_without_names_a_panel_matches_every_series():
    """A method with its arm too, and not the means of `lth report`."""
    pattern = panel_of("density", ["final_test_accuracy"]).matching
    for key in ("ticket/final_test_accuracy", "my_arm/final_test_accuracy", "snip/reinit/final_test_accuracy"):
        assert re.search(pattern, key)
    for key in ("report/ticket/mean/final_test_accuracy", "accuracy/ticket", "ticket/early_stop_test_accuracy"):
        assert not re.search(pattern, key)


def test_a_declared_figure_has_a_panel_for_each_measure_that_is_charted():
    measures = (Measure("barrier", "nats", title="barrier of the loss"), Measure("norm", "L2", log=True))
    figure = Figure("probes", "Probes", "What was measured.", (*measures, Measure("not_charted", "x")))
    contents = Contents(["ticket"], (*RESULT_COLUMNS, "barrier", "norm"), [figure])
    (chapter,) = [chapter for chapter in chapters(contents) if chapter.name == "Probes"]
    assert chapter.about == "What was measured."
    assert [(panel.title, panel.x, panel.y, panel.log_y) for panel in chapter.panels] == [
        ("barrier of the loss", "density", ("ticket/barrier",), False),
        ("L2", "density", ("ticket/norm",), True),
    ]


def test_what_is_charted_and_in_no_figure_has_a_panel_too():
    contents = Contents(["ticket"], (*RESULT_COLUMNS, "barrier"), FIGURES)
    (chapter,) = [chapter for chapter in chapters(contents) if chapter.name == "Measurements"]
    assert [(panel.title, panel.y) for panel in chapter.panels] == [("barrier", ("ticket/barrier",))]


def as_sent(built) -> dict:
    """A workspace or report as W&B gets it."""
    return json.loads(dashboard.as_json(built))


@pytest.mark.slow
def test_the_workspace_has_a_section_a_chapter():
    scope = Scope("mine", "team", "imp", ["abc", "def"])
    view = as_sent(dashboard.workspace(scope, chapters(CONTENTS)))
    assert (view["project"], view["entity"], view["displayName"]) == ("mine", "team", "Lottery tickets: abc, def")
    section = view["spec"]["section"]
    sections = section["panelBankConfig"]["sections"]
    assert [one["name"] for one in sections] == [chapter.name for chapter in chapters(CONTENTS)]
    assert all(one["isOpen"] for one in sections)
    accuracy = sections[0]["panels"][0]["config"]
    assert accuracy["metrics"] == [f"{arm}/early_stop_test_accuracy" for arm in ARMS]
    assert (accuracy["xAxis"], accuracy["xLogScale"]) == ("density", True)
    assert (accuracy["groupBy"], accuracy["groupAgg"], accuracy["groupArea"]) == ("group", "mean", "minmax")
    assert accuracy["pointVisualizationMethod"] == "bucketing-gorilla"  # levels are never averaged with each other
    layers = next(one for one in sections if one["name"].startswith("Layers"))["panels"][0]["config"]
    assert layers["useMetricRegex"] and layers["metricRegex"] == "^layer/.+/density$"
    training = next(one for one in sections if one["name"] == "Training")["panels"][0]["config"]
    assert training["panelDefId"] == "wandb/lineseries/v0" and "training/ticket_table" in json.dumps(training)
    assert training["fieldSettings"] == {"step": "iteration", "lineKey": "line", "lineVal": "val_loss"}
    (runs,) = section["runSets"]
    (only,) = runs["filters"]["filters"]
    assert (only["key"]["name"], only["op"], only["value"]) == ("group", "IN", ["imp-abc", "imp-def"])


def test_the_report_has_the_same_panels_below_headings():
    view = as_sent(dashboard.report(Scope("lth"), chapters(CONTENTS)))
    blocks = view["spec"]["blocks"]
    heads = ["".join(part["text"] for part in block["children"]) for block in blocks if block["type"] == "heading"]
    grids = [block["metadata"]["panelBankSectionConfig"] for block in blocks if block["type"] == "panel-grid"]
    shown = chapters(CONTENTS)
    assert heads == [chapter.name for chapter in shown]
    assert [len(grid["panels"]) for grid in grids] == [len(chapter.panels) for chapter in shown]
    places = [(panel["layout"]["x"], panel["layout"]["y"]) for panel in grids[1]["panels"]]
    assert len(set(places)) == len(places) and view["project"]["name"] == "lth"


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb_workspaces.workspaces", None)
    with pytest.raises(LotteryError, match=r"^lth dashboard needs wandb-workspaces: pip install 'lth\[reports\]'$"):
        dashboard.workspace(Scope("lth"), [])
