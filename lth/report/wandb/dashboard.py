"""`lth dashboard`: a W&B workspace or report as code, its panels in the order in which one asks.

Runs of one W&B group are one setting, and its seeds are the runs: a panel shows the mean over them, with a band from
the lowest to the highest. Against density the axis is logarithmic, dense on the right. Where there is no login, what
would be pushed is printed as JSON.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lth.core.errors import LotteryError
from lth.core.files import write_text
from lth.report.wandb.panels import Listed, Pictures, Shown, chapters
from lth.report.wandb.run import PROJECT, reason, wandb_mode

NAME = "Lottery tickets"
RUNS = 100
"""A panel shows ten runs unless it is told otherwise, which is two settings of five seeds."""
DESCRIPTION = "Iterative magnitude pruning against its controls, by lth. Lines are means over seeds, bands minimum and"
DESCRIPTION += " maximum."


def main(words: list[str]) -> None:
    """The command `lth dashboard`; LotteryError for what is in its way."""
    parser = argparse.ArgumentParser(
        prog="lth dashboard",
        description="Builds a W&B workspace or report from what `lth imp` and `lth report --wandb` log, and pushes it."
        " Without a W&B login it is printed as JSON. Every push makes a new one.",
    )
    parser.add_argument("what", nargs="?", choices=("workspace", "report"), default="workspace")
    parser.add_argument("--project", default=PROJECT, help="the runs' W&B project (default: %(default)s)")
    parser.add_argument("--entity", default="", help="its owner, a user or a team (default: who is logged in)")
    parser.add_argument(
        "--setting", action="append", default=[], help="only this setting, as `lth report` names it; may be repeated"
    )
    parser.add_argument("--to", type=Path, metavar="FILE", help="write the JSON there, and push nothing")
    asked = parser.parse_args(words)
    online = asked.to is None and wandb_mode("auto") == "online"
    entity = asked.entity or (default_entity() if online else "")
    built = (workspace if asked.what == "workspace" else report)(asked.project, entity, asked.setting)
    if online:
        print(push(built))
    elif asked.to is not None:
        write_text(asked.to, as_json(built))
    else:
        print(as_json(built), end="")
        print(f"This is the {asked.what}, as JSON. To push it, log in: wandb login", file=sys.stderr)


def panel(shown: Shown) -> Any:
    """`shown` as W&B's panel."""
    *_, panels = library()
    if isinstance(shown, Pictures):
        return panels.MediaBrowser(title=shown.title, media_keys=list(shown.keys), num_columns=1)
    if isinstance(shown, Listed):
        return panels.WeavePanelSummaryTable(table_name=shown.key)
    return panels.LinePlot(
        title=shown.title,
        x=shown.x,
        y=list(shown.y),
        metric_regex=shown.matching or None,
        title_x=shown.x_title,
        log_x=shown.log_x or None,
        log_y=shown.log_y or None,
        max_runs_to_show=RUNS,
        # Not W&B's sampled mode: it averages what falls into even parts of the axis, and would merge sparse levels.
        point_visualization_method="bucketing-gorilla",
        **({"groupby": "Group", "groupby_aggfunc": "mean", "groupby_rangefunc": "minmax"} if shown.seeds else {}),
    )


def workspace(project: str, entity: str, settings: Sequence[str]) -> Any:
    """The workspace of `project`: a saved view, apart from everybody's own."""
    spaces, _ = library()
    sections = [
        spaces.Section(chapter.name, panels=[panel(shown) for shown in chapter.panels], is_open=True)
        for chapter in chapters(known_arms())
    ]
    return spaces.Workspace(
        entity=entity,
        project=project,
        name=title(settings),
        sections=sections,
        settings=spaces.WorkspaceSettings(max_runs=RUNS),
        runset_settings=spaces.RunsetSettings(filters=only(settings)),
    )


def report(project: str, entity: str, settings: Sequence[str]) -> Any:
    """The report in `project`: the same panels below headings, to be written around."""
    _, reports = library()
    blocks = [reports.TableOfContents()]
    for chapter in chapters(known_arms()):
        grid = [panel(shown) for shown in chapter.panels]
        for index, placed in enumerate(grid):
            placed.layout = reports.Layout(x=8 * (index % 3), y=8 * (index // 3), w=8, h=8)
        runs = reports.Runset(name="seeds", filters=only(settings))
        blocks += [reports.H2(chapter.name), reports.P(chapter.about), reports.PanelGrid(runsets=[runs], panels=grid)]
    return reports.Report(
        project=project, entity=entity, title=title(settings), description=DESCRIPTION, blocks=blocks, width="fluid"
    )


def title(settings: Sequence[str]) -> str:
    """What the workspace or report is called."""
    return f"{NAME}: {', '.join(settings)}" if settings else NAME


def only(settings: Sequence[str]) -> str:
    """The filter that leaves the runs of `settings`; of all where there are none."""
    return f"Group in {[f'imp-{setting}' for setting in settings]}" if settings else ""


def known_arms() -> list[str]:
    """Every arm that there is, the ticket first; a panel shows those that were run."""
    from lth.lottery.arms import ARMS  # late, since it needs torch

    return list(ARMS)


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


def default_entity() -> str:
    """Who is logged in."""
    import wandb

    try:
        return str(wandb.Api().default_entity or "")
    except Exception as error:
        raise LotteryError(f"W&B does not tell who is logged in: {reason(error)}") from error


def push(built: Any) -> str:
    """Saves a workspace or report in W&B; its address."""
    try:
        built.save()
        return str(built.url)
    except Exception as error:
        raise LotteryError(f"W&B did not take it: {reason(error)}; --to FILE writes it as JSON") from error
