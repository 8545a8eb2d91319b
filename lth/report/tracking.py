"""Progress on the terminal, and W&B, which shows and never stores: the job's own files are the truth."""

import logging
import netrc
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from tqdm import tqdm

log = logging.getLogger(__name__)


STEP = 100
"""A training that is first heard of further than this from its start has been resumed."""


class Console(logging.StreamHandler):  # type: ignore[type-arg]  # logging's stub is generic, the class is not
    """Log lines on stderr, written around the progress bars."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one line above the bars; warnings say so."""
        try:
            text = self.format(record)
            prefix = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
            tqdm.write(prefix + text, file=sys.stderr)
        except Exception:  # logging must not end a job
            self.handleError(record)


class Progress:
    """Two bars with time left, trainings and the iterations of the present one; silent where there is no terminal.

    `row`: one of several jobs on one terminal has one bar, in that row.
    """

    def __init__(self, total: int, title: str, unit: str = "training", row: int | None = None) -> None:
        self.alone = row is None
        look = {"leave": True, "position": None} if row is None else {"leave": False, "position": row}
        self.outer = tqdm(total=total, desc=title, unit=unit, disable=None, dynamic_ncols=True, **look)
        self.inner: tqdm[Any] | None = None

    def training(self, start: int, stop: int) -> Callable[[int], None]:
        """What to call with each iteration of a training from `start` to `stop`."""
        self._close_inner()

        def update(iteration: int) -> None:
            if not self.alone:
                return
            if self.inner is None:
                self.inner = tqdm(
                    total=stop,
                    initial=iteration if iteration - start > STEP else start,
                    desc="iterations",
                    unit="it",
                    leave=False,
                    disable=None,
                    dynamic_ncols=True,
                )
            self.inner.update(iteration - self.inner.n)

        return update

    def done(self, what: str) -> None:
        """One more training is over; `what` it was."""
        self._close_inner()
        self.outer.set_postfix_str(what, refresh=False)
        self.outer.update()

    def close(self) -> None:
        """Takes the bars away, the inner one first."""
        self._close_inner()
        self.outer.close()

    def _close_inner(self) -> None:
        if self.inner is not None:
            self.inner.close()
            self.inner = None


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


class Wandb:
    """One W&B run for one replicate, begun with the first training: a command that trains nothing writes none.

    Whatever is logged before that is kept and logged then. W&B's failure is one warning, and the job goes on without.
    """

    def __init__(
        self,
        directory: Path,
        *,
        mode: str,
        project: str,
        entity: str | None,
        tags: list[str],
        experiment: str,
        setting: str,
        name: str,
        id: str,
        config: Mapping[str, Any],
    ) -> None:
        self.mode: Any = wandb_mode(mode)
        self.directory = directory
        self.arms = dict.fromkeys(["ticket", *config["arms"]])
        self.arguments: dict[str, Any] = {
            "project": project,
            "entity": entity,
            "tags": tags,
            "group": f"{experiment}-{setting}",
            "job_type": experiment,
            "name": name,
            "id": id,
            "config": dict(config),
        }
        self.run: Any = None
        self.waiting: list[tuple[dict[str, Any], int]] = []
        self.logged = -1  # the last level that a resumed run has already
        self.failed = self.mode == "disabled"

    def start(self) -> None:
        """Begins the run, if it has not begun, and logs what has been waiting."""
        if self.run is None and not self.failed:
            self._guard(self._start)

    def log(self, values: dict[str, Any], level: int) -> None:
        """Logs one row of `level`; it carries its own step, `level` or `iteration`.

        A run that goes on after a kill, online, has the levels before already: they are not logged twice.
        """
        if self.failed:
            return
        if self.run is None:
            self.waiting.append((values, level))
        elif level > self.logged:
            self._guard(lambda: self.run.log(values))

    def finish(self, columns: list[str], rows: list[list[Any]], ticket: Path) -> None:
        """Logs the table of results and the last ticket as an artifact, and ends the run, if it has begun."""
        if self.run is not None and not self.failed:
            self._guard(lambda: self._finish(columns, rows, ticket))

    def stop(self) -> None:
        """Ends a run that was broken off."""
        if self.run is not None and not self.failed:
            self._guard(lambda: self.run.finish(exit_code=1))
            self.run = None

    def _start(self) -> None:
        import wandb

        self.directory.mkdir(parents=True, exist_ok=True)
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
        self.run = wandb.init(
            dir=str(self.directory.resolve()),
            mode=self.mode,
            reinit="create_new",
            resume="allow",
            settings=settings,
            **self.arguments,
        )
        self.run.define_metric("level")
        self.run.define_metric("iteration")
        self.run.define_metric("curve/*", step_metric="iteration")
        for pattern in (
            "density",
            "sparsity",
            "layer/*",
            *(f"{arm}/*" for arm in self.arms),
        ):
            self.run.define_metric(pattern, step_metric="level")
        if self.run.resumed:
            self.logged = self.run.summary.get("level", -1)
        waiting, self.waiting = self.waiting, []
        for values, level in waiting:
            if level > self.logged:
                self.run.log(values)

    def _finish(self, columns: list[str], rows: list[list[Any]], ticket: Path) -> None:
        import wandb

        self.run.log({"results": wandb.Table(columns=list(columns), data=rows)})
        artifact = wandb.Artifact(f"ticket-{self.arguments['id']}", type="ticket")
        artifact.add_file(str(ticket))
        self.run.log_artifact(artifact)
        self.run.finish()
        self.run = None

    def _guard(self, action: Callable[[], Any]) -> None:
        try:
            action()
        except Exception as error:  # whatever it is, no experiment ends by it
            self.failed, self.run = True, None
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            log.warning("W&B failed (%s); the job goes on without it, its own files hold everything", reason)
