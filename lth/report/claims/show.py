"""`lth claims PAPER [folders]`: the paper's claims beside what was measured, on the terminal and as Markdown."""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lth.core.files import write_text
from lth.report.claims import Judged, Verdict, judge, load_claims, papers
from lth.report.claims.flow import judge_flow, tables_below
from lth.report.claims.methods import judge_methods
from lth.report.gather import gather
from lth.report.intervals import Interval
from lth.report.statistics import percent

COLOURS: dict[Verdict, str] = {
    "reproduced": "green",
    "not reproduced": "red",
    "undecided": "yellow",
    "not measured": "dim",
}
HEAD = ("claim", "what", "paper", "measured (95% t interval)", "verdict")


def written(interval: Interval, unit: str, difference: bool = True) -> str:
    """`interval` as a mean with its bounds and n; differences with their sign, ratios and values without."""
    sign = "+" if difference and unit != " times" else ""
    mean = f"{interval.mean:{sign}.2f}{unit}"
    if interval.low is None or interval.high is None:
        return f"{mean} (n = {interval.n})"
    return f"{mean} ({interval.low:{sign}.2f} to {interval.high:{sign}.2f}, n = {interval.n})"


def cells(claim: Judged) -> list[str]:
    """The cells of a claim's row: name, text, the paper's value, what was measured by density, verdict and note."""
    found = {density: written(x, claim.unit, claim.difference) for density, x in claim.measured.items()}
    measured = [f"at {percent(density)}%: {words}" for density, words in found.items()]
    paper = "" if claim.paper is None else f"{claim.paper:g}{claim.unit}"
    verdict = claim.verdict + (f" ({claim.note})" if claim.note else "")
    return [claim.name, claim.text, paper, "\n".join(measured) or "-", verdict]


def told(claims: Sequence[Judged]) -> tuple[list[str], list[list[str]]]:
    """The head and the cells of the claims' table, without the paper's values where it has none."""
    rows = [cells(claim) for claim in claims]
    places = [place for place, name in enumerate(HEAD) if name != "paper" or any(row[place] for row in rows)]
    return [HEAD[place] for place in places], [[row[place] for place in places] for row in rows]


def summary(claims: Sequence[Judged]) -> str:
    """How many claims were reproduced, in words."""
    counts = Counter(claim.verdict for claim in claims)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in COLOURS if counts[verdict])


def origin(claims: Sequence[Judged], command: str) -> str:
    """The `command` that measures the claims, and what it takes for those that were not measured."""
    left = any(claim.verdict == "not measured" for claim in claims)
    return f"Measured by: {command}" + ("; what was not measured, by the same with scale=paper" if left else "")


def markdown(title: str, claims: Sequence[Judged], command: str) -> str:
    """The claims as a Markdown page; `command` is what measures them."""
    lines = [f"# {title}", "", f"Of {len(claims)} claims: {summary(claims)}. {origin(claims, f'`{command}`')}.", ""]
    head, rows = told(claims)
    lines += ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", "<br>") for cell in row) + " |" for row in rows]
    lines += [
        "",
        "A verdict holds where the whole interval lies on one side of the claim's bound; fewer than three seeds decide",
        "nothing. Differences are paired by seed, or by data order within one mask. Nothing is corrected for",
        "there being several claims, or several densities of one.",
    ]
    return "\n".join(lines) + "\n"


def table(title: str, claims: Sequence[Judged]) -> Table:
    """The claims as a table for the terminal."""
    head, rows = told(claims)
    shown = Table(title=title, title_justify="left", header_style="bold", show_lines=True)
    for name in head:
        shown.add_column(name, overflow="fold")
    for claim, (*others, verdict) in zip(claims, rows, strict=True):
        shown.add_row(*map(Text, others), Text(verdict, style=COLOURS[claim.verdict]))
    return shown


def main(words: Sequence[str]) -> None:
    """Runs `lth claims` with the command line `words`."""
    parser = argparse.ArgumentParser(prog="lth claims", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("paper", help=", ".join(papers()))
    parser.add_argument("folders", nargs="*", type=Path, default=[Path("outputs")], help="where the results lie")
    parser.add_argument("--to", type=Path, help="also write the claims as Markdown, to this file")
    asked = parser.parse_args(words)
    about = load_claims(asked.paper)
    title, command = about["title"], about["command"]
    if about.get("experiment") == "gradient_flow":
        claims = judge_flow(about, tables_below(asked.folders, about))
    elif about.get("experiment") == "at_init":
        claims = judge_methods(about, gather(asked.folders).rows)
    else:
        claims = judge(asked.paper, gather(asked.folders).rows)
    console = Console()
    console.print(table(title, claims))
    console.print(f"Of {len(claims)} claims: {summary(claims)}.", highlight=False)
    console.print(f"{origin(claims, command)}.", highlight=False, markup=False, soft_wrap=True)
    if asked.to:
        write_text(asked.to, markdown(title, claims, command))
