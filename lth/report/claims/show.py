"""Judged claims, written: a table for the terminal, one line a claim, and a Markdown page with everything."""

from collections import Counter
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from lth.report.claims.files import Claims
from lth.report.claims.judge import Judged, Verdict
from lth.report.intervals import Interval
from lth.report.statistics import percent

COLOURS: dict[Verdict, str] = {
    "reproduced": "green",
    "not reproduced": "red",
    "undecided": "yellow",
    "not measured": "dim",
}
WORDS: dict[Verdict, str] = {
    "reproduced": "yes",
    "not reproduced": "no",
    "undecided": "undecided",
    "not measured": "unmeasured",
}
"""A verdict as the terminal's column `reproduced` has it."""
LEGEND = """\
yes: the 95% t interval lies within the claim's bounds; no: it lies outside them; undecided: it crosses a bound, or \
fewer than three seeds were measured; unmeasured: the results lack the trainings. Of several densities the densest \
with the claim's verdict is shown; --to FILE.md writes them all, with the paper's values and notes."""
HEAD = ("claim", "what", "paper", "measured (95% t interval)", "verdict")
FOOT = """\
A claim is reproduced where the whole interval lies within its bounds, and not reproduced where all of it lies outside;
fewer than three seeds decide nothing. n counts seeds where no note says otherwise. Differences are paired by seed, or
by data order within one mask. The intervals are not corrected for the number of claims, or of densities of one claim.
"""
UNITS = {"%": "%", "points": " pts", "times": "x"}
"""Units as the terminal writes them, after the mean."""


def summary(claims: Sequence[Judged]) -> str:
    """How many claims were reproduced, in words."""
    counts = Counter(claim.verdict for claim in claims)
    parts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in COLOURS if counts[verdict])
    return f"Of {len(claims)} claims: {parts}."


def origin(claims: Sequence[Judged], command: str) -> str:
    """The `command` that measures the claims, and what it takes for those that were not measured."""
    left = any(claim.verdict == "not measured" for claim in claims)
    return f"Measured by: {command}." + (" For what was not measured, add scale=paper." if left else "")


def markdown(about: Claims, claims: Sequence[Judged]) -> str:
    """The claims as a Markdown page: every density with its n, the paper's values, verdicts and notes."""
    rows = [cells(claim) for claim in claims]
    places = [place for place, name in enumerate(HEAD) if name != "paper" or any(row[place] for row in rows)]
    table = [
        [HEAD[place] for place in places],
        ["---"] * len(places),
        *([row[place] for place in places] for row in rows),
    ]
    return "\n".join(
        [
            f"# {about.title}",
            "",
            f"{summary(claims)} {origin(claims, f'`{about.command}`')}",
            "",
            *(
                "| " + " | ".join(cell.replace("|", "\\|").replace("\n", "<br>") for cell in row) + " |"
                for row in table
            ),
            "",
            FOOT,
        ]
    )


def cells(judged: Judged) -> list[str]:
    """The cells of a claim's row: name, text, the paper's value, what was measured by density, verdict and notes."""
    claim, unit = judged.claim, judged.unit if judged.unit == "%" else f" {judged.unit}"
    measured = [f"at {percent(x.density)}%: {_with_n(x.interval, unit, _sign(judged))}" for x in judged.measured]
    paper = "" if claim.paper is None else f"{claim.paper:g}{unit}"
    notes = f" ({'; '.join(judged.notes)})" if judged.notes else ""
    return [claim.name, claim.text, paper, "\n".join(measured) or "-", judged.verdict + notes]


def _sign(judged: Judged) -> str:
    return "+" if judged.signed else ""


def _with_n(interval: Interval, unit: str, sign: str) -> str:
    mean = f"{interval.mean:{sign}.2f}{unit}"
    if interval.low is None or interval.high is None:
        return f"{mean} (n = {interval.n})"
    return f"{mean} ({interval.low:{sign}.2f} to {interval.high:{sign}.2f}, n = {interval.n})"


def table(about: Claims, claims: Sequence[Judged]) -> Table:
    """The claims as a table for the terminal, from 80 columns on: of each the density that decides.

    What all claims have in common, density or unit, stands in the title or in the head of the column.
    """
    densities = {percent(level.density) for claim in claims if (level := claim.decisive)}
    units = {claim.unit for claim in claims}
    title = f"{about.title}, at {densities.pop()}% of the weights" if len(densities) == 1 else about.title
    mean = f"{units.pop()} [95% interval]" if len(units) == 1 else "mean [95% interval]"
    shown = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in ("claim", "what", *(["at"] if densities else []), mean, "reproduced"):
        shown.add_column(Text(name), justify="right" if name in ("at", mean) else "left", no_wrap=name != "what")
    for claim in claims:
        level, unit = claim.decisive, UNITS.get(claim.unit, f" {claim.unit}") if units else ""
        cells = [claim.claim.name, claim.claim.short or claim.claim.text]
        cells += [f"{percent(level.density)}%" if level else "-"] if densities else []
        cells += [_in_brackets(level.interval, unit, _sign(claim)) if level else "-"]
        shown.add_row(*map(Text, cells), Text(WORDS[claim.verdict], style=COLOURS[claim.verdict]))
    return shown


def _in_brackets(interval: Interval, unit: str, sign: str) -> str:
    mean = f"{interval.mean:{sign}.2f}{unit}"
    if interval.low is None or interval.high is None:
        return f"{mean} (n = {interval.n})"
    return f"{mean} [{interval.low:{sign}.2f}, {interval.high:{sign}.2f}]"
