"""How every W&B run of lth begins, and what its failure costs: one warning."""

import logging
import netrc
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

log = logging.getLogger(__name__)

PROJECT = "lth"
"""The W&B project of those who name none."""
HOSTS = ("api.wandb.ai", "api.forge.coreweave.com")
"""W&B's own servers, the older and the newer address."""
OLDER_MODES = {"dryrun": "offline", "run": "online"}


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

    def arguments(self) -> dict[str, Any]:
        """The arguments of `wandb.init`; None where the environment decides (WANDB_ENTITY, WANDB_TAGS, WANDB_NOTES)."""
        project = self.project or os.environ.get("WANDB_PROJECT") or PROJECT
        values = vars(self) | {"project": project, "tags": list(self.tags) or None, "notes": self.notes or None}
        return values | {"config": dict(self.config)}


def wandb_mode(mode: str) -> str:
    """online, offline or disabled: as WANDB_DISABLED or WANDB_MODE say, else `mode`.

    `auto` is online where a key is found (WANDB_API_KEY, WANDB_IDENTITY_TOKEN_FILE, netrc), else offline.
    """
    if os.environ.get("WANDB_DISABLED", "").lower() in ("1", "true", "yes", "on"):
        return "disabled"
    mode = os.environ.get("WANDB_MODE") or mode
    if mode != "auto":
        return OLDER_MODES.get(mode, mode)
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return "online"
    server = os.environ.get("WANDB_BASE_URL")
    hosts = [urlparse(server).netloc] if server else HOSTS
    path = os.path.expanduser(
        os.environ.get("NETRC") or "~/.netrc"
    )  # named, so that its mode does not matter, as in W&B
    try:
        logins = netrc.netrc(path)
    except (OSError, ValueError, netrc.NetrcParseError):
        return "offline"
    entries = [logins.authenticators(host) for host in hosts]
    return "online" if any(entry and entry[2] for entry in entries) else "offline"


def by_agent() -> bool:
    """Whether a W&B agent runs this process, as a trial of its sweep: its run is then the one that counts."""
    return bool(os.environ.get("WANDB_SWEEP_ID"))


def begin(outputs: Path, mode: Any, info: RunInfo, resume: Any = None) -> Any:
    """A new W&B run below `outputs`/wandb that says nothing, measures no machine and waits 30 s for a lost network.

    resume: as in `wandb.init`. For an agent the run is the agent's: its id, project and entity hold, and W&B would only
    warn of others.
    """
    import wandb

    outputs.mkdir(parents=True, exist_ok=True)
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
    wandb.setup(wandb.Settings(silent=True))  # the run's own settings come too late for what the login prints
    arguments = info.arguments()
    if by_agent():
        arguments |= dict.fromkeys(("id", "project", "entity"))
    return wandb.init(
        dir=str(outputs.resolve()), mode=mode, reinit="create_new", resume=resume, settings=settings, **arguments
    )


def reason(error: Exception) -> str:
    """What `error` says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def gave_up(error: Exception, rest: str) -> None:
    """The one warning of W&B's failure; `rest` is what goes on without it."""
    log.warning("W&B failed (%s); %s", reason(error), rest)
