"""Experiments as Hydra runs them, in worker processes too: one job, and the failed jobs of a sweep.

Imports no torch.
"""

import logging
import os
import sys
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig

from lth.core.errors import LotteryError
from lth.core.files import write_json
from lth.core.reading import read_json
from lth.discovery import source_of

log = logging.getLogger(__name__)

TRACEBACKS = "LTH_TRACEBACKS"
"""The variable that `lth.cli.launch` sets where the user has set HYDRA_FULL_ERROR, which it sets itself otherwise."""
FAILED = "failed.json"
"""The file that a failed job of a sweep leaves in its folder: its number, its overrides, its error."""


def run_experiment(experiment: str, settings: Any, folder: Path) -> None:
    """Runs one job of `experiment` as it declares."""
    from lth.session import execute  # torch, late

    execute(source_of(experiment).load(), settings, folder, sweep_number())


def run_job(config: DictConfig) -> None:
    """Runs one job of the experiment that `config` names; called by Hydra, in a worker process too.

    In a sweep a job that fails leaves `failed.json` instead of an exception: launchers differ in what an exception does
    to the other jobs, and Hydra would show the first alone. TRACEBACKS shows where an expected error came from.
    """
    from lth.cli.config import read

    if os.getcwd() not in sys.path:  # the user's own classes are in the current folder
        sys.path.insert(0, os.getcwd())
    job = HydraConfig.get()
    folder = Path(job.runtime.output_dir)
    (folder / FAILED).unlink(missing_ok=True)  # of an earlier run in the same folder
    try:
        run_experiment(config.experiment, read(config), folder)
    except Exception as error:
        expected = isinstance(error, LotteryError)
        short = expected and not os.environ.get(TRACEBACKS)
        if job.mode == RunMode.RUN:
            sys.exit(str(error)) if short else None
            raise
        message = str(error) if expected else f"{type(error).__name__}: {error}"
        overrides = " ".join(job.overrides.task)
        log.error("job %s (%s) failed: %s", job.job.num, overrides, message, exc_info=None if short else error)
        write_json(folder / FAILED, {"job": job.job.num, "overrides": overrides, "error": message})


def sweep_number() -> int | None:
    """The number of this job in its sweep; None for a job that is not part of a sweep."""
    job = HydraConfig.get()
    return job.job.num if job.mode == RunMode.MULTIRUN else None


class Sweep(Callback):
    """Remembers the folder of the sweep in the main process, to which Hydra returns nothing."""

    folder: Path | None = None

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Called by Hydra in the main process, whatever launcher ran the jobs."""
        Sweep.folder = Path(config.hydra.sweep.dir)


def failed_jobs() -> str:
    """The failed jobs of the sweep that has just ended, one line each, in order; empty if there are none."""
    files = sorted(Sweep.folder.glob(f"**/{FAILED}")) if Sweep.folder else []
    failed = sorted((read_json(file) for file in files), key=lambda job: int(job["job"]))
    if not failed:
        return ""
    lines = [f"  job {job['job']} ({job['overrides']}): {job['error']}" for job in failed]
    count = f"{len(lines)} job{'s' * (len(lines) > 1)} failed"
    return "\n".join([f"{count}. The same command runs them again; the others are in the store:", *lines])
