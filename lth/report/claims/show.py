"""Judged claims, written: a table for the terminal, one line a claim, and a Markdown page with everything."""

from collections import Counter
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from lth.core.shown import shown
from lth.report.claims.files import Claims
from lth.report.claims.judged import Judged, Verdict
from lth.report.intervals import Interval
from lth.report.markup import markdown_text
from lth.report.sheet import bracketed

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
yes: the 95% interval lies within the claim's bounds; no: it lies outside them; undecided: it crosses a bound, or \
fewer than three distinct trainings were measured; unmeasured: the results lack the trainings. =: the verdict is about \
the paper's value, else about the direction. Of several densities, over which "no" is corrected, the densest with the \
claim's verdict is shown; --to FILE.md writes them all, with the paper's values and notes."""
HEAD = ("claim", "what", "about", "paper", "measured (95% interval)", "verdict")
FOOT = """\
A claim is reproduced where the whole interval lies within its bounds, and not reproduced where all of it lies outside;
fewer than three distinct trainings decide nothing. A verdict is about the paper's *value* where the bounds lie around
it, else about the *direction*; a margin widens the bounds, so that equality can be shown. Intervals are t intervals, of
ratios on a logarithmic scale, and no narrower than the test set leaves a mean: where it is not known which examples
each network classifies correctly, accuracies count as independent. n counts seeds where no note says otherwise.
Differences are paired by seed, or by data order within one mask. Trainings that failed are in no mean.

A claim about several densities is reproduced where it is at each of them, which needs no correction. It is not
reproduced where one density lies outside its bounds after Holm's correction for their number. Nothing is corrected for
the number of claims.
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
    more = " For what was not measured, run it again, or with scale=paper." if left else ""
    return f"Measured by: {command}.{more}"


def markdown(about: Claims, claims: Sequence[Judged]) -> str:
    """The claims as a Markdown page: every density with its n, the paper's values, verdicts and notes."""
    rows = [cells(claim) for claim in claims]
    places = [place for place, name in enumerate(HEAD) if name != "paper" or any(row[place] for row in rows)]
    table = [
        [HEAD[place] for place in places],
        ["---"] * len(places),
        *([row[place] for place in places] for row in rows),
    ]
    command = shown(about.command).replace("`", "'")
    return "\n".join(
        [
            f"# {markdown_text(about.title)}",
            "",
            f"{summary(claims)} {origin(claims, f'`{command}`')}",
            "",
            *(
                "| " + " | ".join("<br>".join(map(markdown_text, cell.splitlines())) for cell in row) + " |"
                for row in table
            ),
            "",
            FOOT,
        ]
    )


def cells(judged: Judged) -> list[str]:
    """The cells of a claim's row, for HEAD: what was measured at each density, verdict and notes last."""
    claim, unit = judged.claim, judged.unit if judged.unit == "%" else f" {judged.unit}"
    measured = [f"{x.where}: {_with_n(x.interval, judged, unit)}" for x in judged.measured]
    paper = "" if claim.paper is None else f"{claim.paper:g}{unit}"
    notes = f" ({'; '.join(judged.notes)})" if judged.notes else ""
    text = claim.text + (f" (margin: {claim.margin:g}{unit})" if claim.margin else "")
    return [claim.name, text, claim.about, paper, "\n".join(measured) or "-", judged.verdict + notes]


def number(value: float, judged: Judged) -> str:
    """A value of a claim: two decimals, of a small ratio two digits, and the sign of a difference."""
    small = judged.unit == "times" and 0 < abs(value) < 0.01
    return f"{value:{'+' if judged.signed else ''}{'.2g' if small else '.2f'}}"


def _numbers(interval: Interval, judged: Judged) -> list[str]:
    """Mean, lower and upper bound; an open side is empty."""
    return ["" if x is None else number(x, judged) for x in (interval.mean, interval.low, interval.high)]


def _with_n(interval: Interval, judged: Judged, unit: str) -> str:
    mean, low, high = _numbers(interval, judged)
    span = f"{low} to {high}, " if low and high else f"at least {low}, " if low else f"at most {high}, " if high else ""
    return f"{mean}{unit} ({span}n = {interval.n})"


def table(about: Claims, claims: Sequence[Judged]) -> Table:
    """The claims as a table for the terminal, from 80 columns on: of each the density that decides.

    What all claims have in common, density or unit, stands in the title or in the head of the column.
    """
    places = {level.where for claim in claims if (level := claim.decisive)}
    units = {claim.unit for claim in claims}
    title = about.title
    if len(places) == 1:
        place = places.pop()
        title += f", {place}{' of the weights' if place.endswith('%') else ''}"
    mean = f"{units.pop()} [95% interval]" if len(units) == 1 else "mean [95% interval]"
    grid = Table(title=shown(title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in ("claim", "what", *(["at"] if places else []), mean, "reproduced"):
        grid.add_column(Text(name), justify="right" if name in ("at", mean) else "left", no_wrap=name != "what")
    for claim in claims:
        level, unit = claim.decisive, UNITS.get(claim.unit, f" {claim.unit}") if units else ""
        mark = " =" if claim.claim.about == "value" else ""
        cells = [claim.claim.name + mark, claim.claim.short or claim.claim.text]
        cells += [level.place if level else "-"] if places else []
        cells += [_in_brackets(level.interval, claim, unit) if level else "-"]
        grid.add_row(*map(Text, map(shown, cells)), Text(WORDS[claim.verdict], style=COLOURS[claim.verdict]))
    return grid


def _in_brackets(interval: Interval, judged: Judged, unit: str) -> str:
    mean, low, high = _numbers(interval, judged)
    if not low and not high:
        return f"{mean}{unit} (n = {interval.n})"
    return bracketed(f"{mean}{unit}", low, high, "-∞" if judged.signed else "0")
