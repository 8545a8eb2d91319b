"""Experiments as Hydra runs them, in worker processes too: one job, and what failed of a sweep.

Imports no torch.
"""

import importlib
import json
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
from lth.discovery import source_of

log = logging.getLogger(__name__)

FAILED = "failed.json"
"""In the folder of a job of a sweep that failed: its number, its overrides, and what went wrong."""


def run_experiment(experiment: str, settings: Any, folder: Path) -> None:
    """Runs one job of `experiment`: as it declares, or by its module `run` where it declares nothing."""
    source = source_of(experiment)
    if not source.declared:
        importlib.import_module(f"{source.module}.run").run(settings, folder)
        return
    from lth.session import execute

    execute(source.load(), settings, folder, sweep_number())


def run_job(config: DictConfig) -> None:
    """Runs one job of the experiment that `config` names; called by Hydra, in a worker process too.

    In a sweep a job that fails leaves `failed.json` instead of an exception: launchers differ in what an exception does
    to the other jobs, and Hydra would show the first alone.
    """
    from lth.cli.config import read

    if os.getcwd() not in sys.path:  # the user's own classes lie in the current folder
        sys.path.insert(0, os.getcwd())
    job = HydraConfig.get()
    folder = Path(job.runtime.output_dir)
    (folder / FAILED).unlink(missing_ok=True)  # of an earlier try in the same folder
    try:
        run_experiment(config.experiment, read(config), folder)
    except Exception as error:
        known = isinstance(error, LotteryError)
        if job.mode == RunMode.RUN:
            sys.exit(str(error)) if known else None
            raise
        told = str(error) if known else f"{type(error).__name__}: {error}"
        overrides = " ".join(job.overrides.task)
        log.error("job %s (%s) failed: %s", job.job.num, overrides, told, exc_info=None if known else error)
        write_json(folder / FAILED, {"job": job.job.num, "overrides": overrides, "error": told})


def sweep_number() -> int | None:
    """The number of this job in its sweep; None where it is no sweep."""
    job = HydraConfig.get()
    return job.job.num if job.mode == RunMode.MULTIRUN else None


class Sweep(Callback):
    """Tells the main process, when a sweep is over, where its jobs lie: Hydra hands nothing back."""

    folder: Path | None = None

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Called by Hydra in the main process, whatever launcher ran the jobs."""
        Sweep.folder = Path(config.hydra.sweep.dir)


def failed_jobs() -> str:
    """The jobs that failed of the sweep that has just ended, a line each, in order; empty where none did."""
    files = sorted(Sweep.folder.glob(f"**/{FAILED}")) if Sweep.folder else []
    failed = sorted((json.loads(file.read_text()) for file in files), key=lambda found: int(found["job"]))
    if not failed:
        return ""
    lines = [f"  job {found['job']} ({found['overrides']}): {found['error']}" for found in failed]
    count = f"{len(lines)} job{'s' * (len(lines) > 1)} failed"
    return "\n".join([f"{count}; the same command tries again, and finds what the others have trained:", *lines])
