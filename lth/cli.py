"""`lth EXPERIMENT [overrides]`: hands over to Hydra, and prints errors as what is wrong, without a traceback.

Imports no torch: `lth --help` and shell completion stay quick.
"""

import importlib
import logging
import os
import sys

import hydra
from hydra.errors import HydraException

from lth.core.errors import LotteryError
from lth.jobs import experiments, failed_jobs, place, run_job

USAGE = """\
lth EXPERIMENT [key=value ...]     run an experiment
lth EXPERIMENT --help              what it does, its groups and keys
lth EXPERIMENT -m seed=0,1,2,3,4   a sweep, a job for each value
lth EXPERIMENT --cfg job           the configuration it would run with
lth report [folders]               what several seeds show: tables, intervals, verdicts
lth claims PAPER [folders]         a paper's claims beside what was measured
lth cost JOB                       what its ticket is worth: size, FLOPs, latency, accuracy
lth dashboard                      a W&B workspace or report with the panels that matter
lth list                           the experiments

Shell completion: eval "$(lth -sc install=bash)"   (also zsh through bashcompinit, and fish)
"""


OPEN = ("model.args.", "data.args.", "pruning.fractions.")
"""Keys below which any name may stand; Hydra wants a mark for a name that its configuration does not have yet."""

COMMANDS = {
    "claims": "lth.commands.claims",
    "cost": "lth.commands.cost",
    "dashboard": "lth.commands.dashboard",
    "report": "lth.commands.report",
}
"""Commands that are no experiment, and the modules that do them."""

LAUNCHERS = {"submitit_slurm": "slurm", "submitit_local": "slurm", "ray": "ray"}
"""Hydra's launchers for clusters, and the extras that install them."""

LOST = ("TerminatedWorkerError", "UncompletedJobError", "WorkerCrashedError")
"""What joblib, submitit and Ray raise for a worker that is gone; by name, since none of them is imported for it."""


def main() -> None:
    """The console script `lth`."""
    words = sys.argv[1:]
    known = experiments()
    if not words or words[0] in ("-h", "--help", "help"):
        print(USAGE)
        _print_experiments(known)
    elif words[0] == "list":
        _print_experiments(known)
    elif words[0] in COMMANDS:
        _command(COMMANDS[words[0]], words[1:])
    elif words[0] in ("-sc", "--shell-completion"):
        _complete(words, known)
    elif words[0] in known:
        _hand_over(words[0], words[1:], known[words[0]])
    else:
        sys.exit(f"lth: no experiment is called {words[0]!r}; there are: {', '.join(known)}")


def _print_experiments(known: dict[str, str]) -> None:
    width = max(map(len, known))
    for name, docstring in known.items():
        print(f"{name:{width}}  {docstring.splitlines()[0] if docstring else ''}")


def _command(module: str, words: list[str]) -> None:
    """A command that is no experiment: `main` of the module that it lies in, imported late."""
    try:
        importlib.import_module(module).main(words)
    except LotteryError as error:
        sys.exit(str(error))


def _complete(words: list[str], known: dict[str, str]) -> None:
    """Shell completion: names the experiments, then lets Hydra complete the rest of the line.

    Hydra does not know of the experiment's word, so it is taken out of the line that the shell hands over.
    """
    line = os.environ.get("COMP_LINE", "")
    program, *rest = line.split() or [""]
    if "query" not in " ".join(words):
        _hand_over("imp", words)  # the same shell function serves every experiment
    elif not rest or (len(rest) == 1 and not line[-1].isspace()):
        begun = rest[0] if rest else ""
        print("\n".join(name for name in (*known, "list", *COMMANDS) if name.startswith(begun)))
    elif rest[0] in known:
        start = line.index(rest[0], len(program))
        cut = len(rest[0]) + 1
        os.environ["COMP_LINE"] = line[:start] + line[start + cut :]
        os.environ["COMP_POINT"] = str(max(0, int(os.environ.get("COMP_POINT") or len(line)) - cut))
        _hand_over(rest[0], words)


def _hand_over(experiment: str, words: list[str], docstring: str = "") -> None:
    """Lets Hydra run `experiment` with the command line `words`."""
    from lth.config import register

    register(experiment)
    words = [f"++{word}" if word.startswith(OPEN) else word for word in words]
    sweep = [word for word in words if word in ("-m", "--multirun")]  # Hydra takes them only before the overrides
    sys.argv = [sys.argv[0], *sweep, *(word for word in words if word not in sweep)]
    if {"-h", "--help"} & set(words):
        print(f"lth {experiment}: {docstring}\n")
    logging.captureWarnings(True)
    run = hydra.main(version_base="1.3", config_path=str(place("conf")), config_name=experiment)(run_job)
    if os.environ.get("HYDRA_FULL_ERROR") == "1":  # the user asked for tracebacks
        run()
        return
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then hands errors over as they are, instead of printing its own
    try:
        run()
    except KeyboardInterrupt:
        sys.exit("\nstopped; the same command goes on from here")
    except LotteryError as error:
        sys.exit(str(error))
    except HydraException as error:
        launcher = str(getattr(error, "missing_cfg_file", "")).removeprefix("hydra/launcher/")
        if launcher in LAUNCHERS:
            sys.exit(f"hydra/launcher: {launcher} is not installed: pip install 'lth[{LAUNCHERS[launcher]}]'")
        sys.exit("\n".join(str(part) for part in (error, error.__cause__) if part))
    except OSError as error:
        if error.filename is None:
            raise
        sys.exit(f"{error.filename}: {error.strerror}")
    except Exception as error:
        if type(error).__name__ not in LOST:
            raise
        sys.exit("a worker process was killed (out of memory?); the same command goes on from here")
    if failed := failed_jobs():
        sys.exit(failed)
