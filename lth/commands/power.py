"""How many seeds a difference of interest would take, from the results of the seeds that are there.

The variance between seeds is that of the results in FOLDERS; two seeds give a
rough one. `up to` is what it takes if the variance is as large as its upper 80%
bound. A difference smaller than the error of the test set needs more test
examples, whatever the number of seeds.

    lth power                                 accuracy: 0.2 points; speed: 1.1 times
    lth power outputs/imp --accuracy 0.5 --level 7
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from lth.core.errors import SettingError


def parser() -> argparse.ArgumentParser:
    """The arguments of `lth power`. Imports no torch, so that --help is quick."""
    parser = argparse.ArgumentParser(
        prog="lth power", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, help="jobs, sweeps, outputs folders (default: outputs)")
    parser.add_argument("--accuracy", type=float, default=0.2, metavar="POINTS", help="of interest (default: 0.2)")
    parser.add_argument("--speed", type=float, default=1.1, metavar="TIMES", help="ratio of early stops (default: 1.1)")
    parser.add_argument("--power", type=float, default=0.8, metavar="SHARE", help="how often to find it (default: 0.8)")
    parser.add_argument("--level", type=int, help="the variance at one level (default: over all levels)")
    parser.add_argument("--to", type=Path, metavar="FILE", help="also write the table as CSV, to this file")
    return parser


def main(words: Sequence[str]) -> None:
    """Runs `lth power` with the command line `words`."""
    options = parser().parse_args(words)
    for key, value, within, problem in (
        ("--accuracy", options.accuracy, options.accuracy > 0, "must be above 0"),
        ("--speed", options.speed, options.speed > 1, "must be above 1"),
        ("--power", options.power, 0 < options.power < 1, "must lie between 0 and 1"),
    ):
        if not within:
            raise SettingError(key, value, problem)
    from lth.report.gather import gather
    from lth.report.headline import setting_title
    from lth.report.power import POWER_TABLE, Interest, explained, power_rows, power_sheet
    from lth.report.terminal import Terminal, say

    console, table = Terminal(), []
    interest = Interest(options.accuracy, options.speed, options.power)
    for rows in gather(options.folders or [Path("outputs")]).settings().values():
        powers = power_rows(rows, interest, options.level)
        if not powers:
            say(console, f"{setting_title(rows)}: no pair of arms has two distinct trainings, so there is no variance.")
            continue
        power_sheet(setting_title(rows), powers).print(console)
        table += powers
    for line in explained(table) if table else ():
        say(console, line)
    if options.to:
        POWER_TABLE.write_to(options.to, table)
