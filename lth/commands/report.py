"""`lth report [folders]`: what several seeds show together, as tables, figures, verdicts and a sentence a setting."""

import argparse
from collections.abc import Sequence
from pathlib import Path


def main(words: Sequence[str]) -> None:
    """Runs `lth report` with the command line `words`."""
    arguments = parser().parse_args(words)
    from lth.commands.seeds import report

    report(arguments.folders, arguments.bars, arguments.to, arguments.wandb)


def parser() -> argparse.ArgumentParser:
    """The arguments of `lth report`. Imports no torch, so that --help is quick."""
    parser = argparse.ArgumentParser(prog="lth report", description=(__doc__ or "").split(": ", 1)[1])
    parser.add_argument("folders", nargs="*", type=Path, help="jobs, sweeps, outputs folders (default: outputs)")
    parser.add_argument("--bars", choices=("t", "minmax"), default="t", help="95%% t intervals, or lowest to highest")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="where to write (default: the sweep's own folder)")
    modes = ("auto", "online", "offline", "disabled")
    parser.add_argument(
        "--wandb", choices=modes, default="disabled", metavar="MODE", help="verdicts in W&B too: auto, online, offline"
    )
    return parser
