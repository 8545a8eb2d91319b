"""An experiment handed over to Hydra: the command line as Hydra reads it, its errors in one line. Imports no torch."""

import difflib
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import hydra
from hydra.errors import HydraException

from lth.cli.config import register
from lth.cli.defaults import options_of, paper_of
from lth.cli.jobs import TRACEBACKS, failed_jobs, run_job
from lth.cli.keys import keys_of
from lth.core.errors import LotteryError
from lth.core.registry import nearest
from lth.discovery import Source, place

LAUNCHERS = {"submitit_slurm": "slurm", "submitit_local": "slurm", "ray": "ray"}
"""Hydra's launchers for clusters, and the extras that install them."""

OVERRIDE = re.compile(r"([\w./]+)=(.*)", re.DOTALL)
OPTIONS = re.compile(r"[\w/,.-]+")
"""Options of a group that are named; others are for Hydra to understand, as data=glob(*)."""

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
    run = hydra.main(version_base="1.3", config_path=str(place("conf")), config_name=source.name)(run_job)
    if os.environ.get("HYDRA_FULL_ERROR") == "1":  # the user asked for tracebacks
        os.environ[TRACEBACKS] = "1"
        run()
    else:
        _run_in_lines(run, source, words)
    if failed := failed_jobs():
        raise LotteryError(*failed.splitlines())


def _run_in_lines(run: Callable[[], Any], source: Source, words: Sequence[str]) -> None:
    """Runs the jobs; LotteryError, in lines for the user, for what Hydra or the system refuses."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then hands errors over as they are, instead of printing its own
    try:
        run()
    except KeyboardInterrupt:
        raise LotteryError("", "stopped; the same command resumes from here") from None
    except HydraException as error:
        raise LotteryError(*explained(error, source, words).splitlines()) from error
    except OSError as error:
        if error.filename is None:
            raise
        raise LotteryError(f"{error.filename}: {error.strerror}") from error
    except Exception as error:
        if type(error).__name__ not in LOST:
            raise
        problem = "a worker process was killed (out of memory?); the same command resumes from here"
        raise LotteryError(problem) from error


def explained(error: HydraException, source: Source, words: Sequence[str]) -> str:
    """What the user can do about an error of Hydra's, in one line where that is clear."""
    launcher = str(getattr(error, "missing_cfg_file", "")).removeprefix("hydra/launcher/")
    if launcher in LAUNCHERS:
        return f"hydra/launcher: {launcher} is not installed: pip install 'lth[{LAUNCHERS[launcher]}]'"
    message = "\n".join(str(part) for part in (error, error.__cause__) if part)
    for key in keys_of(source.settings):
        for word in words:
            if word.lstrip("+").startswith(f"{key.name}=") and f"override {word}" in message:
                return f"{word}: must be {key.type} ({key.meaning})"
    return message


def mistakes(source: Source, words: Sequence[str]) -> Iterator[str]:
    """The overrides among `words` that name no key, or no option of a group, each with the nearest name.

    Overrides in Hydra's grammar beyond KEY=VALUE and KEY=VALUE,VALUE are left to Hydra.
    """
    keys, groups = list(keys_of(source.settings, internal=True)), options_of(source)
    names = {key.name for key in keys} | {key.name.rpartition(".")[0] for key in keys} | set(groups)
    free = tuple(f"{key.name}." for key in keys if key.type in ("dict", "any"))
    for word in words:
        override = OVERRIDE.fullmatch(word)
        if override is None or word.startswith(("hydra.", "hydra/", *free)):
            continue
        name, value = override.groups()
        if name not in names:
            close = difflib.get_close_matches(name, [*(key.name for key in keys if key.meaning), *groups], n=1)
            hint = f"did you mean {close[0]}?" if close else f"lth {source.command} --help lists the keys"
            yield f"{word}: lth {source.command} has no key {name}; {hint}"
        elif name in groups and OPTIONS.fullmatch(value):
            unknown = [option for option in value.split(",") if option not in (*groups[name], "null")]
            yield from (unknown_option(source, name, option, groups[name]) for option in unknown)


def unknown_option(source: Source, group: str, option: str, known: Sequence[str]) -> str:
    """What is wrong with an option that the experiment's group does not have."""
    if group == "paper" and (experiment := paper_of(source, option)):
        return f"paper={option}: is a paper of lth {experiment}, not of lth {source.command}"
    return f"{group}={option}: is no option of {group}; {nearest(option, known)}"
