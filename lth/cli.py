"""`lth EXPERIMENT [overrides]`: hands over to Hydra, and prints errors as what is wrong, without a traceback.

Imports no torch: `lth --help` and shell completion stay quick.
"""

import argparse
import ast
import importlib.util
import logging
import os
import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig

from lth.core.errors import LotteryError

log = logging.getLogger(__name__)

USAGE = """\
lth EXPERIMENT [key=value ...]     run an experiment
lth EXPERIMENT --help              what it does, its groups and keys
lth EXPERIMENT -m seed=0,1,2,3,4   a sweep, a job for each value
lth EXPERIMENT --cfg job           the configuration it would run with
lth report [folders]               what several seeds show: tables, intervals, verdicts
lth claims PAPER [folders]         a paper's claims beside what was measured
lth list                           the experiments

Shell completion: eval "$(lth -sc install=bash)"   (also zsh through bashcompinit, and fish)
"""


OPEN = ("model.args.", "data.args.", "pruning.fractions.")
"""Keys below which any name may stand; Hydra wants a mark for a name that its configuration does not have yet."""


def place(folder: str) -> Path:
    """Where `conf` or `experiments` lie: in the package (installed from a wheel), else beside it (a checkout)."""
    package = Path(__file__).parent
    return next(path for path in (package / folder, package.parent / folder) if path.is_dir())


def experiments() -> dict[str, str]:
    """Name -> docstring of every experiment, read without importing it."""
    files = sorted(place("experiments").glob("[a-z]*.py"))
    return {file.stem: ast.get_docstring(ast.parse(file.read_text())) or "" for file in files}


def load(experiment: str) -> Any:
    """The module of `experiment`: what it does is its function `run(spec, folder)`."""
    path = place("experiments") / f"{experiment}.py"
    module_spec = importlib.util.spec_from_file_location(f"lth_experiments_{experiment}", path)
    assert module_spec is not None and module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    return module


def run_job(config: DictConfig) -> None:
    """Runs one job of the experiment that `config` names; called by Hydra, in a worker process too."""
    from lth import spec

    if os.getcwd() not in sys.path:  # the user's own classes lie in the current folder
        sys.path.insert(0, os.getcwd())
    job = HydraConfig.get()
    try:
        load(config.experiment).run(spec.read(config), Path(job.runtime.output_dir))
    except LotteryError as error:
        if job.mode == RunMode.RUN:
            sys.exit(str(error))
        log.error("job %s (%s) failed: %s", job.job.num, " ".join(job.overrides.task), error)
        raise  # the other jobs of the sweep go on


def main() -> None:
    """The console script `lth`."""
    words = sys.argv[1:]
    known = experiments()
    if not words or words[0] in ("-h", "--help", "help"):
        print(USAGE)
        _print_experiments(known)
    elif words[0] == "list":
        _print_experiments(known)
    elif words[0] == "report":
        _report(words[1:])
    elif words[0] == "claims":
        _claims(words[1:])
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


def _claims(words: list[str]) -> None:
    """`lth claims`: judges a paper's claims by what jobs have left behind; trains nothing."""
    from lth.report.claims.show import main as show  # reads the papers' claims; late, since it needs torch

    try:
        show(words)
    except LotteryError as error:
        sys.exit(str(error))


def _report(words: list[str]) -> None:
    """`lth report`: gathers what jobs have left behind; trains nothing."""
    parser = argparse.ArgumentParser(prog="lth report", description="What several seeds show together.")
    parser.add_argument(
        "folders", nargs="*", type=Path, help="jobs, sweeps or whole outputs folders (default: outputs)"
    )
    parser.add_argument("--bars", choices=("t", "minmax"), default="t", help="95%% t intervals, or lowest to highest")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="where to write (default: the sweep's own folder)")
    asked = parser.parse_args(words)
    from lth.report.sweep import report  # after the words are read: --help needs no torch

    try:
        report(asked.folders, asked.bars, asked.to)
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
        print(
            "\n".join(name for name in (*known, "list", "report", "claims") if name.startswith(rest[0] if rest else ""))
        )
    elif rest[0] in known:
        start = line.index(rest[0], len(program))
        cut = len(rest[0]) + 1
        os.environ["COMP_LINE"] = line[:start] + line[start + cut :]
        os.environ["COMP_POINT"] = str(max(0, int(os.environ.get("COMP_POINT") or len(line)) - cut))
        _hand_over(rest[0], words)


def _hand_over(experiment: str, words: list[str], docstring: str = "") -> None:
    """Lets Hydra run `experiment` with the command line `words`."""
    from lth import spec

    spec.register()
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
        sys.exit("\n".join(str(part) for part in (error, error.__cause__) if part))
    except OSError as error:
        if error.filename is None:
            raise
        sys.exit(f"{error.filename}: {error.strerror}")
