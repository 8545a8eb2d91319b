"""`lth`: runs an experiment or a command; a mistake of the user's is one line, without a traceback.

Imports neither torch nor Hydra, so that help texts are quick.
"""

import importlib
import os
import sys
from collections.abc import Sequence

from lth.cli.ending import end_quickly
from lth.cli.process import Stopped, settle, stop_on_signals
from lth.core.errors import LotteryError
from lth.discovery import source_of, sources

USAGE = """\
lth EXPERIMENT [key=value ...]  run an experiment
lth EXPERIMENT --help           what it does, its groups and keys
lth EXPERIMENT -m seed=0,1,2    a sweep: one job for each value
lth EXPERIMENT --cfg job        print the configuration, run nothing
"""

NOTES = """\
EXPERIMENT may also be the path of a folder: lth ./my_experiment. For results of
such an experiment, the commands take --with ./my_experiment.

Shell completion: eval "$(lth -sc install=bash)"   (also zsh, fish)"""

COMMANDS = {
    "report": "lth.commands.report",
    "claims": "lth.commands.claims",
    "power": "lth.commands.power",
    "cost": "lth.commands.cost",
    "store": "lth.commands.store",
    "dashboard": "lth.commands.dashboard",
}
"""Commands that are no experiment, and the modules whose `main(words)` runs them, imported late."""

MEANINGS = {
    "report": "results over seeds: tables, intervals, verdicts",
    "claims": "a paper's claims beside what was measured",
    "power": "how many seeds a difference would take",
    "cost": "a ticket's size, FLOPs, latency and accuracy",
    "store": "the trainings that are kept: list, check, remove",
    "dashboard": "a W&B workspace or report with the main panels",
    "list": "the experiments, one line each",
}


def script() -> None:
    """The console script `lth`, and `python -m lth`."""
    main()
    end_quickly()


def main() -> None:
    """What `lth` does with the words of this process."""
    settle()
    stop_on_signals()
    try:
        dispatch(sys.argv[1:])
    except LotteryError as error:
        sys.exit(str(error))
    except Stopped as stop:
        resumes = "; the same command resumes from here" if sys.argv[1:2] and sys.argv[1] not in MEANINGS else ""
        print(f"\nstopped{resumes}", file=sys.stderr)
        sys.exit(stop.code)
    except BrokenPipeError:  # whoever reads the output, as head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def dispatch(words: Sequence[str]) -> None:
    """Does what the command line says. Raises LotteryError for a mistake of the user's."""
    first, rest = (words[0], words[1:]) if words else ("help", [])
    if first in ("-h", "--help", "help"):
        commands = "".join(f"lth {name:27} {meaning}\n" for name, meaning in MEANINGS.items())
        print(f"{USAGE}{commands}\n{listed()}\n\n{NOTES}")
    elif {"--version", "-V"} & set(words[:2]):
        print(f"lth {importlib.import_module('lth').__version__}")
    elif first == "list":
        print(listed())
    elif first in COMMANDS:
        importlib.import_module(COMMANDS[first]).main(without_folders(rest))
    elif first in ("-sc", "--shell-completion"):
        complete(words)
    else:
        run(first, rest)


def listed() -> str:
    """The experiments, one line each."""
    summaries = {source.command: source.summary for source in sources().values()}
    width = max(map(len, summaries))
    return "\n".join(f"{name:{width}}  {summary}" for name, summary in summaries.items())


def without_folders(words: Sequence[str]) -> list[str]:
    """`words` without `--with FOLDER`; the experiment in that folder is known from then on."""
    kept = list(words)
    while "--with" in kept:
        at = kept.index("--with")
        if at + 1 == len(kept):
            raise LotteryError("--with needs the folder of an experiment")
        source_of(kept[at + 1])
        del kept[at : at + 2]
    return kept


def run(word: str, words: Sequence[str]) -> None:
    """Runs the experiment `word`, or prints its help."""
    source = source_of(word, others=MEANINGS)
    if not {"-h", "--help"} & set(words):
        importlib.import_module("lth.cli.launch").launch(source, words)
        return
    from lth.cli.help import experiment_help

    overrides = [override for override in words if "=" in override]
    print(experiment_help(source, overrides))


def complete(words: Sequence[str]) -> None:
    """Shell completion: names experiments and commands, then lets Hydra complete the rest of the line.

    Hydra does not know of the experiment's word, so it is taken out of the line that the shell hands over.
    """
    line = os.environ.get("COMP_LINE", "")
    program, *rest = line.split() or [""]
    launch = importlib.import_module("lth.cli.launch").launch
    if "query" not in " ".join(words):
        launch(next(iter(sources().values())), words)  # the same shell function serves every experiment
    elif not rest or (len(rest) == 1 and not line[-1].isspace()):
        begun = rest[0] if rest else ""
        print("\n".join(name for name in (*sources(), *MEANINGS) if name.startswith(begun)))
    elif rest[0] not in MEANINGS:
        start = line.index(rest[0], len(program))
        cut = len(rest[0]) + 1
        os.environ["COMP_LINE"] = line[:start] + line[start + cut :]
        os.environ["COMP_POINT"] = str(max(0, int(os.environ.get("COMP_POINT") or len(line)) - cut))
        launch(source_of(rest[0]), words)
