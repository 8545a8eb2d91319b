"""What one seed of `lth imp` shows, in plain words: the ticket against its controls, and what finding it took."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from lth.analysis.line import STABLE
from lth.core.tables import Row
from lth.lottery.iterate import MEANINGS, WAYS, way_of
from lth.report.compared import compared_column, digits, in_units, metric_in
from lth.report.criteria import Criteria
from lth.report.intervals import pairs_of
from lth.report.results import Results
from lth.report.statistics import arms_of, densities, percent
from lth.report.units import shared_error
from lth.tasks.metrics import ACCURACY

from .estimators import is_connected, is_matching, is_measured
from .sheets import search_cells

NORMAL = 1.96
"""A 95% interval of a normal distribution reaches so many standard errors to each side."""
SPARSE = 0.15
"""Differences are averaged over the levels at this density and below, where tickets and controls part."""


@dataclass(frozen=True)
class Difference:
    """Ticket less control in the test metric, averaged over `levels`.

    error: the standard error that the test set leaves in it, 0..1, from which examples the networks of all these levels
    get right. All levels share the test set, so it does not shrink with their number alone.
    """

    control: str
    levels: tuple[int, ...]
    mean: float
    error: float


def answer(results: Results) -> list[str]:
    """The ticket against its controls, trainings that diverged, what the search took, and the command for a verdict."""
    rows = results["results"]
    criteria = getattr(results.settings, "report", None) or Criteria()  # a search from Python has none of its own
    diverged = [f"{row['arm']} at level {row['level']}" for row in rows if row["status"] == "diverged"]
    sentences = [
        iterated(rows),
        compared(rows, results.examples.get("test", 0)),
        f"These trainings diverged: {', '.join(diverged)}." if diverged else "",
        searched(results["search"]),
        connected(results["probes"], criteria),
    ]
    shown = " ".join(sentence for sentence in sentences if sentence)
    return [*([shown] if shown else []), f"One seed gives no verdict. For five seeds run: {results.command}"]


def iterated(rows: Sequence[Row]) -> str:
    """What levels go on with; empty where they rewind the weights, as usual."""
    way = way_of(rows[0]) if rows else WAYS[0]
    return "" if way == WAYS[0] else f"From level to level {MEANINGS[way]} (iterate={way})."


def compared(rows: Sequence[Row], examples: int) -> str:
    """The differences of the ticket to its controls; empty where no control was trained."""
    shown = differences(rows)
    if not shown:
        return ""
    by_level = densities(rows)
    highest = max(by_level[level] for difference in shown for level in difference.levels)
    metric = metric_in(rows)
    if metric != ACCURACY:
        values = ", ".join(f"{x.mean * metric.factor:+.{digits(metric, x.mean)}f} against {x.control}" for x in shown)
        return (
            f"At {percent(highest)}% of the weights and below, the ticket's mean test {metric.words} differs by"
            f" {values} ({in_units(metric)})."
        )
    points = ", ".join(
        f"{100 * difference.mean:+.1f} ± {100 * NORMAL * difference.error:.1f} points against {difference.control}"
        for difference in shown
    )
    return (
        f"At {percent(highest)}% of the weights and below, the ticket's mean test accuracy differs by {points}"
        f" (95% intervals of these networks, by the {examples:,} test examples that they share)."
    )


def differences(rows: Sequence[Row]) -> list[Difference]:
    """Ticket less each control, over the levels at 15% and below that both have (where none is, the sparsest)."""
    column = compared_column(rows)
    shown = []
    for control in (arm for arm in arms_of(rows) if arm != "ticket"):
        pairs = {level: units for level, units in pairs_of(rows, "ticket", control, column).items() if units}
        sparse = [level for level in pairs if densities(rows)[level] <= SPARSE] or sorted(pairs)[-1:]
        if sparse:
            units = [unit for level in sparse for unit in pairs[level]]
            mean = statistics.fmean(unit.value for unit in units)
            shown.append(Difference(control, tuple(sparse), mean, shared_error(units)))
    return shown


def searched(rows: Sequence[Row]) -> str:
    """What finding the last ticket took; empty where that is not known, or nothing."""
    if not rows or not rows[-1]["search_flops"]:
        return ""
    _, density, trainings, _, epochs, flops, seconds = search_cells(rows)[-1]
    count = f"{trainings} training{'s' * (trainings != '1')}"
    return f"Finding the last ticket ({density}%) took {count}: {epochs} epochs, {flops} TFLOPs, {seconds} s."


def connected(rows: Sequence[Row], criteria: Criteria) -> str:
    """At which levels the ticket is linearly connected with that of the level before, and matching; empty for none.

    Paul et al. 2023: the two are said to go together.
    """
    levels = [row for row in rows if row["arm"] == "ticket" and is_measured(row)]
    if not levels:
        return ""
    joined = [is_connected(row) for row in levels]
    matching = [is_matching(row, criteria.margin) for row in levels]
    agreeing = sum(x == y for x, y in zip(joined, matching, strict=True))
    return (
        f"The ticket is linearly connected with that of the level before (a barrier of test error below {STABLE:g}"
        f" points) at {sum(joined)} of {len(levels)} levels, and as accurate as the dense network at the end of"
        f" training (within {criteria.margin:g} points) at {sum(matching)}; the two agree at {agreeing}."
    )
