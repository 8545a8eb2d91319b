"""`lth report [folders]`: what several seeds show together, as tables, figures, verdicts and a sentence a setting."""

import argparse
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from lth.core.errors import SettingError
from lth.core.registry import nearest
from lth.report.criteria import Criteria


def main(words: Sequence[str]) -> None:
    """Runs `lth report` with the command line `words`."""
    arguments = parser().parse_args([word for word in words if not _is_setting(word)])
    from lth.reporting import report

    criteria = dict(map(_margin, filter(_is_setting, words)))
    report(arguments.folders, arguments.bars, arguments.to, arguments.wandb, criteria)


def _is_setting(word: str) -> bool:
    return "=" in word and not word.startswith("-") and not Path(word).exists()


def _margin(word: str) -> tuple[str, float]:
    """The field of `Criteria` that a word such as `report.margin=0.5` sets, and its value."""
    key, _, value = word.partition("=")
    known = [f"report.{entry.name}" for entry in fields(Criteria)]
    if key not in known:
        raise SettingError(key, value, f"is no setting of lth report; {nearest(key, known)}")
    try:
        return key.removeprefix("report."), float(value)
    except ValueError:
        raise SettingError(key, value, "must be a number") from None


def parser() -> argparse.ArgumentParser:
    """The arguments of `lth report`. Imports no torch, so that --help is quick."""
    margins = "report.margin=POINTS and report.slower=TIMES take the place of the margins that the jobs were run with."
    description = (__doc__ or "").split(": ", 1)[1]
    parser = argparse.ArgumentParser(prog="lth report", description=description, epilog=margins)
    parser.add_argument("folders", nargs="*", type=Path, help="jobs, sweeps, outputs folders (default: outputs)")
    parser.add_argument("--bars", choices=("t", "minmax"), default="t", help="95%% t intervals, or lowest to highest")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="where to write (default: the sweep's own folder)")
    modes = ("auto", "online", "offline", "disabled")
    parser.add_argument(
        "--wandb", choices=modes, default="disabled", metavar="MODE", help="verdicts in W&B too: auto, online, offline"
    )
    return parser
