"""`lth dashboard`: pushes a W&B workspace or report with the panels of an experiment; without a login it prints JSON.

Help needs neither torch nor W&B.
"""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from lth.core.errors import LotteryError
from lth.core.files import write_text
from lth.core.registry import nearest
from lth.discovery import sources
from lth.experiment import declared
from lth.report.wandb import dashboard
from lth.report.wandb.chapters import Contents, chapters
from lth.report.wandb.levels import RESULT_COLUMNS, measured_columns
from lth.report.wandb.mode import user_settings
from lth.report.wandb.run import PROJECT
from lth.tasks.metrics import ACCURACY, Metric


def main(words: list[str]) -> None:
    """The command `lth dashboard`; LotteryError for what is in its way."""
    parser = argparse.ArgumentParser(
        prog="lth dashboard",
        description="Builds a W&B workspace or report for the runs of an experiment and of `lth report --wandb`, and"
        " pushes it. Without a W&B login it is printed as JSON. Every push makes a new one.",
    )
    parser.add_argument("what", nargs="?", choices=("workspace", "report"), default="workspace")
    parser.add_argument("--experiment", default="imp", metavar="NAME", help="whose runs (default: %(default)s)")
    parser.add_argument("--project", help=f"the W&B project of the runs (default: $WANDB_PROJECT, else {PROJECT})")
    parser.add_argument("--entity", default="", help="its owner, a user or a team (default: who is logged in)")
    parser.add_argument(
        "--setting", action="append", default=[], help="only this setting, as `lth report` names it; may be repeated"
    )
    parser.add_argument(
        "--metric",
        default=ACCURACY.name,
        help="what networks of the task are compared by, as mse or perplexity (default: %(default)s)",
    )
    parser.add_argument("--to", type=Path, metavar="FILE", help="write the JSON there, and push nothing")
    arguments = parser.parse_args(words)
    panels = chapters(replace(contents(arguments.experiment), metric=metric_called(arguments.metric)))
    online = arguments.to is None and dashboard.logged_in()
    user = user_settings()
    entity = arguments.entity or os.environ.get("WANDB_ENTITY") or user.get("entity", "")
    scope = dashboard.Scope(
        arguments.project or os.environ.get("WANDB_PROJECT") or user.get("project") or PROJECT,
        entity or (dashboard.default_entity() if online else ""),
        arguments.experiment,
        arguments.setting,
    )
    built = (dashboard.workspace if arguments.what == "workspace" else dashboard.report)(scope, panels)
    if online:
        print(dashboard.push(built))
    elif arguments.to is not None:
        write_text(arguments.to, dashboard.as_json(built))
    else:
        print(dashboard.as_json(built), end="")
        print(f"This is the {arguments.what}, as JSON. To push it, log in: wandb login", file=sys.stderr)


def metric_called(name: str) -> Metric:
    """The metric of this name; SettingError for what is no name."""
    return ACCURACY if name == ACCURACY.name else Metric(name)


def contents(experiment: str) -> Contents:
    """What the dashboard of `experiment` is about, as it declares it; LotteryError for an unknown one."""
    if experiment not in sources():
        raise LotteryError(f"--experiment: no experiment is called {experiment}; {nearest(experiment, sources())}")
    declaration = declared([experiment]).get(experiment)
    if declaration is None:
        return Contents()
    columns = (*RESULT_COLUMNS, *measured_columns(declaration.tables))
    return Contents(declaration.arms(), columns, declaration.figures, declaration.seed_figures)
