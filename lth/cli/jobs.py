"""Experiments as Hydra runs them, in worker processes too: one job, and the failed jobs of a sweep.

Imports no torch.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from lth.cli.config import settings_of
from lth.cli.process import Stopped, end_with_sweep, listen, settle, stop_on_signals
from lth.core.errors import LotteryError
from lth.core.files import write_json
from lth.core.reading import read_json
from lth.discovery import source_named

log = logging.getLogger(__name__)

TRACEBACKS = "LTH_TRACEBACKS"
"""The variable that `lth.cli.launch` sets where the user has set HYDRA_FULL_ERROR, which it sets itself otherwise."""
FAILED = "failed.json"
"""The file that a failed job of a sweep leaves in its folder: its number, its overrides, its error."""


def run_experiment(experiment: str, settings: Any, folder: Path) -> None:
    """Runs one job of `experiment` as it declares."""
    from lth.session import execute  # torch, late

    execute(source_named(experiment).load(), settings, folder, sweep_number())


def run_job(config: DictConfig) -> None:
    """Runs one job of the experiment whose configuration Hydra has composed; called by it, in a worker process too.

    In a sweep a job that fails leaves `failed.json` instead of an exception: launchers differ in what an exception does
    to the other jobs, and Hydra would show the first alone. TRACEBACKS shows where an expected error came from.
    """
    job = HydraConfig.get()
    is_gone = prepare_worker(job) if job.mode == RunMode.MULTIRUN else lambda: False
    folder = Path(job.runtime.output_dir)
    if os.getcwd() != job.runtime.cwd:  # relative paths mean the same with hydra.job.chdir=true
        os.chdir(job.runtime.cwd)
        log.info("hydra.job.chdir: the job goes on in %s; its own folder is %s", job.runtime.cwd, folder)
    (folder / FAILED).unlink(missing_ok=True)  # of an earlier run in the same folder
    try:
        listen()
        source = source_named(str(job.job.config_name))
        run_experiment(source.name, settings_of(source, config, job.overrides.task), folder)
    except Exception as error:
        problem = in_words(error)
        short = problem is not None and not os.environ.get(TRACEBACKS)
        if job.mode == RunMode.RUN:
            if short:
                sys.exit(problem)  # of an exception Hydra would say first that there was one
            Failure.error = error
            raise
        note_failure(job, folder, problem or f"{type(error).__name__}: {error}", None if short else error)
    except Stopped as stop:
        if is_gone():
            os._exit(stop.code)
        if job.mode == RunMode.RUN or "joblib" not in job.launcher._target_:
            raise
        note_failure(job, folder, f"was stopped by signal {stop.number}", quiet=stop.number == signal.SIGINT)


class Failure:
    """The error of the job of this process that has no words of its own: it keeps its traceback."""

    error: BaseException | None = None


def prepare_worker(job: Any) -> Callable[[], bool]:
    """Makes this process one that jobs of a sweep run in; gives whether the process of the sweep is gone."""
    settle()
    if "joblib" not in job.launcher._target_:  # others stop their workers, and restart them, in ways of their own
        return lambda: False
    stop_on_signals()
    return end_with_sweep()


def note_failure(job: Any, folder: Path, message: str, error: Exception | None = None, quiet: bool = False) -> None:
    """Logs that a job of a sweep has failed, and leaves it in its folder for the process of the sweep."""
    overrides = " ".join(job.overrides.task)
    if not quiet:
        log.error("job %s (%s) failed: %s", job.job.num, overrides, message, exc_info=error)
    try:
        write_json(folder / FAILED, {"job": job.job.num, "overrides": overrides, "error": message})
    except (OSError, LotteryError) as problem:
        log.error("job %s: %s", job.job.num, in_words(problem))


def in_words(error: BaseException) -> str | None:
    """An error that is not one of the program, in one line; None for any other.

    >>> in_words(OSError(28, "No space left on device"))
    'No space left on device; the same command resumes from here'
    """
    if isinstance(error, LotteryError):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}{'' if where else '; the same command resumes from here'}"
    if isinstance(error, MemoryError) or "not enough memory" in str(error) or "out of memory" in str(error):
        return f"there is not enough memory ({str(error).partition(chr(10))[0][:200] or 'MemoryError'})"
    return None


def sweep_number() -> int | None:
    """The number of this job in its sweep; None for a job that is not part of a sweep."""
    job = HydraConfig.get()
    return job.job.num if job.mode == RunMode.MULTIRUN else None


class Sweep(Callback):
    """What Hydra calls in the main process: it checks a job before anything is written, and knows a sweep's folder."""

    folder: Path | None = None

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Called by Hydra once the configuration is composed; ends the process in one line where it cannot be."""
        with open_dict(config):
            rest = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
        try:
            settings_of(source_named(config.hydra.job.config_name), rest, config.hydra.overrides.task)
        except LotteryError as error:
            sys.exit(str(error))  # an exception would be a warning of Hydra's

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
