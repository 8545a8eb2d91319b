"""`lth claims PAPER [folders]`: a paper's claims beside what was measured, on the terminal and as Markdown."""

import argparse
import importlib
from collections.abc import Sequence
from pathlib import Path

from lth.core.errors import SettingError
from lth.core.files import write_text
from lth.core.registry import nearest
from lth.core.tables import Table
from lth.discovery import sources
from lth.experiment import Experiment
from lth.report.claims.estimators import Estimator
from lth.report.claims.files import Claims, read_claims
from lth.report.claims.judge import judge, tables_of
from lth.report.claims.reading import read_evidence
from lth.report.claims.show import LEGEND, markdown, origin, summary, table
from lth.report.terminal import Terminal, say


def claim_files() -> dict[str, Path]:
    """Name of every paper -> the file of its claims, in the folder `claims` of an experiment."""
    folders = [source.folder for source in sources().values() if source.folder]
    files = [path for folder in folders for path in folder.glob("claims/*.toml")]
    return {path.stem: path for path in sorted(files, key=lambda path: path.stem)}


def load_claims(paper: str) -> Claims:
    """The claims of `paper`: one of `claim_files`, or the path of a claims file. SettingError where there are none."""
    if paper.endswith(".toml"):
        return read_claims(Path(paper))
    files = claim_files()
    if paper not in files:
        raise SettingError("paper", paper, f"has no claims here; {nearest(paper, files)}")
    return read_claims(files[paper])


def declared(experiment: str) -> tuple[dict[str, Estimator], dict[str, Table]]:
    """The estimators and tables that `experiment` declares, by name; none where it is not known."""
    source = sources().get(experiment)
    estimators, tables = list[Estimator](), list[Table]()
    for part in ("", "experiment", "estimators") if source else ():
        if source and (not part or source.has(part)):
            names = vars(importlib.import_module(f"{source.module}.{part}".rstrip(".")))
            estimators += [thing for thing in names.values() if isinstance(thing, Estimator)]
            if isinstance(declaration := names.get(source.attribute), Experiment):
                estimators += declaration.estimators
                tables += declaration.tables
    return {estimator.name: estimator for estimator in estimators}, {table.name: table for table in tables}


def main(words: Sequence[str]) -> None:
    """Runs `lth claims` with the command line `words`."""
    parser = argparse.ArgumentParser(prog="lth claims", description="Judges a paper's claims on what was measured.")
    parser.add_argument("paper", help=f"{', '.join(claim_files())}, or the path of a claims file")
    parser.add_argument("folders", nargs="*", type=Path, default=[Path("outputs")], help="where the results lie")
    parser.add_argument("--to", type=Path, metavar="FILE", help="also write the claims as Markdown, to this file")
    options = parser.parse_args(words)
    claims = load_claims(options.paper)
    estimators, tables = declared(claims.experiment)
    evidence = read_evidence(options.folders, claims, tables_of(claims, estimators), tables)
    judged = judge(claims, evidence, estimators)
    console = Terminal()
    console.print(table(claims, judged))
    for line in (LEGEND, summary(judged), origin(judged, claims.command)):
        say(console, line)
    if options.to:
        write_text(options.to, markdown(claims, judged))
