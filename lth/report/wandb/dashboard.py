"""A W&B workspace or report as code, from the panels of an experiment.

Runs of one W&B group are one setting, and its seeds are the runs: a panel shows the mean over them, with a band from
the lowest to the highest. Against density the axis is logarithmic, dense on the right.
"""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lth.core.errors import LotteryError
from lth.report.wandb.chapters import Chapter
from lth.report.wandb.charts import SPEC
from lth.report.wandb.guard import guarded
from lth.report.wandb.mode import wandb_mode
from lth.report.wandb.panels import Curves, Listed, Panel, Pictures
from lth.report.wandb.run import library as wandb_library
from lth.report.wandb.run import reason

NAME = "Lottery tickets"
RUNS = 100
"""The runs that a panel shows at most. W&B's default is ten, which is two settings of five seeds."""
DESCRIPTION = "Lottery tickets and their controls, by lth. Lines are means over seeds, bands minimum and maximum."


@dataclass(frozen=True)
class Scope:
    """Which runs a dashboard shows: those of an experiment in a project, of all settings or of some.

    entity: the project's owner; empty for whoever is logged in.
    """

    project: str
    entity: str = ""
    experiment: str = "imp"
    settings: Sequence[str] = ()

    @property
    def title(self) -> str:
        """What the workspace or report is called."""
        names = ([self.experiment] if self.experiment != "imp" else []) + list(self.settings)
        return f"{NAME}: {', '.join(names)}" if names else NAME

    @property
    def filters(self) -> str:
        """The filter that leaves the runs of the settings; of all where there are none."""
        return f"Group in {[f'{self.experiment}-{setting}' for setting in self.settings]}" if self.settings else ""


def panel(declared: Panel) -> Any:
    """A declared panel as W&B's."""
    *_, panels = library()
    if isinstance(declared, Pictures):
        return panels.MediaBrowser(title=declared.title, media_keys=list(declared.keys), num_columns=1)
    if isinstance(declared, Listed):
        return panels.WeavePanelSummaryTable(table_name=declared.key)
    if isinstance(declared, Curves):
        return panels.CustomChart(
            query={"summaryTable": {"tableKey": declared.key}},
            chart_name=SPEC,
            chart_fields={"step": declared.x, "lineKey": declared.line, "lineVal": declared.y},
            chart_strings={"title": declared.title, "xname": declared.x},
        )
    return panels.LinePlot(
        title=declared.title,
        x=declared.x,
        y=list(declared.y),
        metric_regex=declared.matching or None,
        title_x=declared.x_title,
        log_x=declared.log_x or None,
        log_y=declared.log_y or None,
        max_runs_to_show=RUNS,
        # Not W&B's sampled mode: it averages what falls into even parts of the axis, and would merge sparse levels.
        point_visualization_method="bucketing-gorilla",
        **({"groupby": "Group", "groupby_aggfunc": "mean", "groupby_rangefunc": "minmax"} if declared.seeds else {}),
    )


def workspace(scope: Scope, chapters: Sequence[Chapter]) -> Any:
    """The workspace: a saved view, apart from everybody's own."""
    spaces, _ = library()
    sections = [
        spaces.Section(chapter.name, panels=[panel(declared) for declared in chapter.panels], is_open=True)
        for chapter in chapters
    ]
    return spaces.Workspace(
        entity=scope.entity,
        project=scope.project,
        name=scope.title,
        sections=sections,
        settings=spaces.WorkspaceSettings(max_runs=RUNS),
        runset_settings=spaces.RunsetSettings(filters=scope.filters),
    )


def report(scope: Scope, chapters: Sequence[Chapter]) -> Any:
    """The report: the same panels below headings, with room for one's own text."""
    _, reports = library()
    blocks = [reports.TableOfContents()]
    for chapter in chapters:
        grid = [panel(declared) for declared in chapter.panels]
        for index, placed in enumerate(grid):
            placed.layout = reports.Layout(x=8 * (index % 3), y=8 * (index // 3), w=8, h=8)
        runs = reports.Runset(name="seeds", filters=scope.filters)
        blocks += [reports.H2(chapter.name), reports.P(chapter.about), reports.PanelGrid(runsets=[runs], panels=grid)]
    return reports.Report(
        project=scope.project,
        entity=scope.entity,
        title=scope.title,
        description=DESCRIPTION,
        blocks=blocks,
        width="fluid",
    )


def library() -> tuple[Any, Any]:
    """W&B's modules of workspaces and of reports; LotteryError where they are not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # pydantic's, of the library's own code
            import wandb_workspaces.reports.v2 as reports
            import wandb_workspaces.workspaces as spaces
    except ImportError as error:
        raise LotteryError("lth dashboard needs wandb-workspaces: pip install 'lth[reports]'") from error
    return spaces, reports


def as_json(built: Any) -> str:
    """A workspace or report as it is sent."""
    model = built._to_model()  # the library has no public way to what it sends
    return json.dumps(model.model_dump(mode="json", by_alias=True, exclude_none=True), indent=2) + "\n"


def logged_in() -> bool:
    """Whether W&B is online: there is a key, and nothing that the user has set says otherwise."""
    try:
        return guarded(lambda: wandb_mode("auto")) == "online"
    except TimeoutError:
        return False


def default_entity() -> str:
    """The user or team of the W&B login."""
    try:
        return str(guarded(lambda: wandb_library().Api().default_entity or ""))
    except Exception as error:
        raise LotteryError(f"W&B does not say who is logged in: {reason(error)}") from error


def push(built: Any) -> str:
    """Saves a workspace or report in W&B; its address."""

    def save() -> str:
        wandb_library()
        built.save()
        return str(built.url)

    try:
        return guarded(save)
    except Exception as error:
        raise LotteryError(f"W&B did not take it: {reason(error)}; --to FILE writes it as JSON") from error
