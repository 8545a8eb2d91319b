"""How every W&B run of lth begins, what it shows figures with, and what its failure costs: one warning."""

import logging
import netrc
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

log = logging.getLogger(__name__)

PROJECT = "lth"
"""The W&B project of those who name no other; `wandb.project` is the same by default."""


def wandb_mode(asked: str) -> str:
    """The mode that W&B runs in: WANDB_MODE, else `asked`; `auto` is online where a key is found, else offline."""
    mode = os.environ.get("WANDB_MODE") or asked
    if mode != "auto":
        return mode
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return "online"
    host = urlparse(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai").netloc
    path = os.path.expanduser(
        os.environ.get("NETRC") or "~/.netrc"
    )  # named, so that its mode does not matter, as in W&B
    try:
        entry = netrc.netrc(path).authenticators(host)
    except (OSError, ValueError, netrc.NetrcParseError):
        return "offline"
    return "online" if entry and entry[2] else "offline"


def by_agent() -> bool:
    """Whether a W&B agent runs this process, as a trial of its sweep: its run is then the one that counts."""
    return bool(os.environ.get("WANDB_SWEEP_ID"))


def begin(outputs: Path, mode: Any, **arguments: Any) -> Any:
    """A new W&B run below `outputs`/wandb that says nothing, measures no machine and waits 30 s for a lost network.

    For an agent it is the agent's: its id, project and entity hold, and W&B would only warn of others.
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
    if by_agent():
        arguments |= dict.fromkeys(("id", "project", "entity"))
    return wandb.init(dir=str(outputs.resolve()), mode=mode, reinit="create_new", settings=settings, **arguments)


def reason(error: Exception) -> str:
    """What `error` says, in one line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def gave_up(error: Exception, rest: str) -> None:
    """The one warning of W&B's failure; `rest` is what goes on without it."""
    log.warning("W&B failed (%s); %s", reason(error), rest)


def pictures(figures: Mapping[Path, str]) -> dict[str, Any]:
    """What W&B logs to show `figures`: images, path -> caption."""
    import wandb

    return {f"figures/{path.stem}": wandb.Image(str(path), caption=text or None) for path, text in figures.items()}
