"""`lth claims PAPER [folders]`: a paper's claims beside what was measured, on the terminal and as Markdown."""

import argparse
import importlib
from collections.abc import Iterator, Sequence
from importlib import metadata, util
from importlib.machinery import ModuleSpec
from pathlib import Path

from rich.console import Console

import lth.experiments
from lth.core.errors import SettingError
from lth.core.files import write_text
from lth.core.registry import nearest
from lth.core.tables import Table
from lth.experiment import Experiment
from lth.report.claims.estimators import Estimator
from lth.report.claims.evidence import read_evidence
from lth.report.claims.files import Claims, read_claims
from lth.report.claims.judge import judge, tables_of
from lth.report.claims.show import LEGEND, markdown, origin, summary, table

GROUP = "lth.experiments"
"""The entry points by which installed packages add experiments."""


def experiment_modules() -> dict[str, str]:
    """Name of every experiment -> the module that it is; none of them is imported."""
    folders = sorted(
        file.parent for place in lth.experiments.__path__ for file in Path(place).glob("[a-z]*/__init__.py")
    )
    ours = {folder.name: f"lth.experiments.{folder.name}" for folder in folders}
    return {point.name: point.module for point in metadata.entry_points(group=GROUP)} | ours


def claim_files() -> dict[str, Path]:
    """Name of every paper -> the file of its claims, in the folder `claims` of an experiment."""
    files = [path for module in experiment_modules().values() for path in _files(module)]
    return {path.stem: path for path in sorted(files, key=lambda path: path.stem)}


def _files(module: str) -> Iterator[Path]:
    spec = _spec(module)
    if spec is not None and spec.origin is not None:
        yield from Path(spec.origin).parent.glob("claims/*.toml")


def _spec(module: str) -> ModuleSpec | None:
    """Where `module` lies; None where there is none. Of a module in a package the package is imported."""
    try:
        return util.find_spec(module)
    except ImportError:
        return None


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
    module = experiment_modules().get(experiment, "")
    estimators, tables = list[Estimator](), list[Table]()
    for part in (module, f"{module}.experiment", f"{module}.estimators"):
        if module and _spec(part) is not None:
            names = vars(importlib.import_module(part))
            estimators += [thing for thing in names.values() if isinstance(thing, Estimator)]
            if isinstance(declaration := names.get("EXPERIMENT"), Experiment):
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
    console = Console()
    console.print(table(claims, judged))
    for line in (LEGEND, summary(judged), origin(judged, claims.command)):
        console.print(line, highlight=False, markup=False)
    if options.to:
        write_text(options.to, markdown(claims, judged))
