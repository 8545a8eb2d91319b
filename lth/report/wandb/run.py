"""How every W&B run of lth begins, and what its failure costs: one warning."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from lth.core.shown import shown
from lth.report.wandb.guard import end_at_exit
from lth.report.wandb.mode import read_user_settings_alone, say_ignored, user_settings

log = logging.getLogger(__name__)

PROJECT = "lth"
"""The W&B project of those who name none."""


@dataclass(frozen=True)
class RunInfo:
    """What a W&B run is called and belongs to.

    id: the same for the same replicate, so that a job that was killed goes on with its run. config: the settings shown.
    """

    id: str
    name: str
    group: str
    job_type: str
    project: str | None = None
    entity: str | None = None
    tags: tuple[str, ...] = ()
    notes: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)

    def arguments(self, project: str | None = None) -> dict[str, Any]:
        """The arguments of `wandb.init`; None where the environment decides.

        project: that of the user's own settings of W&B. The environment names the run's group, job type and name
        (WANDB_RUN_GROUP, WANDB_JOB_TYPE, WANDB_NAME) where it has them, and WANDB_ENTITY, WANDB_TAGS and WANDB_NOTES
        where the settings of lth leave these open.
        """
        project = self.project or os.environ.get("WANDB_PROJECT") or project or PROJECT
        values = vars(self) | {"project": project, "entity": self.entity or None, "config": dict(self.config)}
        values |= {"tags": list(self.tags) or None, "notes": self.notes or None}
        named = {"name": "WANDB_NAME", "group": "WANDB_RUN_GROUP", "job_type": "WANDB_JOB_TYPE"}
        return values | {key: None for key, variable in named.items() if os.environ.get(variable)}


def by_agent() -> bool:
    """Whether a W&B agent runs this process, as a trial of its sweep: its run is then the one that counts."""
    return bool(os.environ.get("WANDB_SWEEP_ID"))


def library(outputs: Path | None = None) -> Any:
    """The module wandb, which says nothing and follows the environment and the user's own settings alone.

    outputs: where its runs go. To be called by `guarded`, as all that it is then used for.
    """
    import wandb

    say_ignored(outputs)
    read_user_settings_alone(wandb)
    _end_at_exit(os.getpid())
    return wandb


@cache
def _end_at_exit(process: int) -> None:  # once a process
    end_at_exit()


def folder_of(outputs: Path) -> Path:
    """The folder in which W&B makes its folder `wandb`: WANDB_DIR, else `outputs`."""
    return Path(os.environ.get("WANDB_DIR") or outputs).expanduser().resolve()


def begin(outputs: Path, mode: Any, info: RunInfo, resume: Any = None) -> Any:
    """A new W&B run below `outputs`/wandb that says nothing, measures no machine and waits 30 s for a lost network.

    resume: as in `wandb.init`. For an agent the run is the agent's: its id, project and entity hold, and W&B would only
    warn of others. OSError where its folder cannot be written; W&B itself would go to the machine's temporary one.
    """
    wandb = library(outputs)
    folder = folder_of(outputs)
    (folder / "wandb").mkdir(parents=True, exist_ok=True)
    settings = wandb.Settings(
        console="off",
        disable_git=True,
        save_code=False,
        silent=True,
        x_disable_stats=True,
        init_timeout=30,
        finish_timeout=30,  # a lost network must not hold a job for ever: `wandb sync` sends the rest
        finish_timeout_raises=True,
    )
    arguments = info.arguments(user_settings().get("project"))
    if by_agent():
        arguments |= dict.fromkeys(("id", "project", "entity"))
    return wandb.init(dir=str(folder), mode=mode, reinit="create_new", resume=resume, settings=settings, **arguments)


def reason(error: Exception) -> str:
    """What `error` says, in one line of at most 300 characters that a terminal can show."""
    lines = [line.strip() for line in str(error).strip().splitlines()] or [type(error).__name__]
    text = ": ".join(lines[1:3]) if "validation error" in lines[0] and len(lines) > 2 else lines[0]  # pydantic's
    text = shown(text.partition(" [type=")[0])  # what it adds holds the value, which may be a key
    return text if len(text) <= 300 else f"{text[:297]}..."


def gave_up(error: Exception, rest: str) -> None:
    """The one warning of W&B's failure; `rest` is what goes on without it."""
    log.warning("W&B failed (%s); %s", reason(error), rest)
