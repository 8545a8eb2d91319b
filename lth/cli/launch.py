"""An experiment handed over to Hydra: the command line as Hydra reads it, its errors in one line. Imports no torch."""

import logging
import os
import sys
from collections.abc import Callable, Sequence

import hydra
from hydra.errors import HydraException, OverrideParseException

from lth.cli.config import in_one_line, register
from lth.cli.jobs import TRACEBACKS, Failure, failed_jobs, in_words, run_job
from lth.cli.keys import keys_of
from lth.cli.process import shield_workers
from lth.cli.words import mistakes
from lth.core.errors import LotteryError
from lth.core.shown import brief
from lth.discovery import Source, place

LAUNCHERS = {"submitit_slurm": "slurm", "submitit_local": "slurm", "ray": "ray"}
"""Hydra's launchers for clusters, and the extras that install them."""

LOST = ("TerminatedWorkerError", "UncompletedJobError", "WorkerCrashedError")
"""What joblib, submitit and Ray raise for a worker that is gone; by name, since none of them is imported for it."""


def launch(source: Source, words: Sequence[str]) -> None:
    """Lets Hydra run the experiment with the command line `words`; LotteryError for what it refuses."""
    completes = {"-sc", "--shell-completion"} & set(words)
    if not completes and (mistake := next(mistakes(source, words), None)):
        raise LotteryError(mistake)
    register(source)
    # Below a key that holds a dict any name may stand; Hydra wants a mark for one that its configuration does not have.
    free = tuple(f"{key.name}." for key in keys_of(source.settings) if key.type == "dict")
    words = [f"++{word}" if word.startswith(free) else word for word in words]
    sweep = [word for word in words if word in ("-m", "--multirun")]  # Hydra takes them only before the overrides
    sys.argv = [sys.argv[0], *sweep, *(word for word in words if word not in sweep)]
    logging.captureWarnings(True)
    if sweep:
        shield_workers()
    run = hydra.main(version_base="1.3", config_path=str(place("conf")), config_name=source.name)(run_job)
    if os.environ.get("HYDRA_FULL_ERROR") == "1":  # the user asked for tracebacks
        os.environ[TRACEBACKS] = "1"
        run()
    else:
        os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then hands errors over as they are, instead of printing its own
        explained(run, source, words)
    if failed := failed_jobs():
        raise LotteryError(*failed.splitlines())


def explained(run: Callable[[], object], source: Source, words: Sequence[str]) -> None:
    """Calls `run`; its errors become LotteryErrors, but those of the experiment itself that have no words."""
    try:
        run()
    except LotteryError:
        raise
    except Exception as error:
        if error is Failure.error:
            raise
        if type(error).__name__ in LOST:
            problem = "a worker process was killed (out of memory?); the same command resumes from here"
            raise LotteryError(problem) from error
        raise LotteryError(in_words(error) or refusal(error, source, words)) from error


def refusal(error: Exception, source: Source, words: Sequence[str]) -> str:
    """What the user can do about an error of Hydra's, or of what it works with, in one line."""
    launcher = str(getattr(error, "missing_cfg_file", "")).removeprefix("hydra/launcher/")
    if launcher in LAUNCHERS:
        return f"hydra/launcher: {launcher} is not installed: pip install 'lth[{LAUNCHERS[launcher]}]'"
    if isinstance(error, OverrideParseException):
        word = brief(error.override)
        return f"{word}: Hydra cannot read it; put a value of other signs than letters in quotes: 'KEY=\"VALUE\"'"
    message = in_one_line(error)
    for key in keys_of(source.settings):
        for word in words:
            if word.lstrip("+").startswith(f"{key.name}=") and f"override {word}" in message:
                return f"{brief(word)}: must be {key.type} ({key.meaning})"
    kind = "" if isinstance(error, HydraException) else f"the configuration cannot be made ({type(error).__name__}): "
    return kind + brief(message, 300)
