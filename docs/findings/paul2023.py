"""The findings of outputs/reference/paul2023: tickets of consecutive levels, connected and matching."""

from collections.abc import Iterable, Sequence
from statistics import fmean

from lth.experiments.imp.estimators import BARRIER, is_connected, is_matching, is_measured
from reference.markdown import table

from findings.measured import Measured, number, percent, points, trained
from findings.pages import REFERENCE, bullets, paragraph
from lth.analysis.line import STABLE
from lth.commands.claims import load_claims
from lth.core.tables import Row
from lth.report.criteria import Criteria
from lth.report.intervals import t_interval
from lth.report.statistics import percent as density_text

MEASURED = Measured(load_claims("paul2023"), (REFERENCE / "paul2023",))
MARGIN = Criteria().margin
TRAINING_BARRIER = "train_error_barrier_to_previous"
HEADS = ("left (%)", "barrier of test error (points)", "connected", "matching", "both or neither")


def blocks() -> dict[str, str]:
    """Name -> text of the page's blocks."""
    return {"trainings": paragraph(trainings()), "shows": bullets(shows()), "levels": levels_table()}


def trainings() -> str:
    """What was trained."""
    rows = MEASURED.results
    levels, seeds = ({row[key] for row in rows} for key in ("level", "seed"))
    return f"{len(seeds)} seeds of {len(levels)} levels, {trained(rows)}."


def by_level() -> dict[int, list[Row]]:
    """Level -> the tickets' rows of probes.csv, a seed each, that hold both measures."""
    levels: dict[int, list[Row]] = {}
    for row in MEASURED.evidence.tables["probes"]:
        if row["arm"] == "ticket" and is_measured(row):
            levels.setdefault(row["level"], []).append(row)
    return dict(sorted(levels.items()))


def shows() -> Iterable[str]:
    """At how many levels of how many seeds the two go together, and where each ends."""
    rows = [row for level in by_level().values() for row in level]
    agreeing = [row for row in rows if is_connected(row) == is_matching(row, MARGIN)]
    apart = MEASURED.interval("connected_where_matching")
    yield f"""Consecutive tickets are connected and the next one matches, or neither, at {len(agreeing)} of {len(rows)}
        levels: {percent(apart)} of the levels of a seed (95% interval over {apart.n} seeds)."""
    connected = [row for row in rows if is_connected(row)]
    parted = [row for row in connected if not is_matching(row, MARGIN)]
    others = [row for row in rows if not is_connected(row)]
    matching = sum(is_matching(row, MARGIN) for row in others)
    rest = f"; of the {len(others)} others, {matching} have one that matches" if others else ""
    yield f"""{len(connected)} of the {len(rows)} pairs are connected, and of these {len(parted)} have a next ticket
        that does not match{rest}."""
    to_dense, below = by_level()[1], [row for row in rows if row["level"] > 1]
    for words, pairs in (("the dense network and the first ticket", to_dense), ("two tickets", below)):
        highest = max(pairs, key=lambda row: row[BARRIER])
        yield f"""The highest barrier of test error between {words} is {number(100 * highest[BARRIER])} points, to the
            ticket of {density_text(highest["density"])}% of the weights."""
    if seeds := list(rises(below)):
        rise = t_interval(seeds)
        yield f"""Between two tickets, the barrier of training error before tickets that do not match less that before
            tickets that do is {points(rise)} points (means within a seed, 95% interval over {rise.n} seeds)."""


def rises(rows: Sequence[Row]) -> Iterable[float]:
    """Of each seed that has both: the mean barrier of training error where tickets do not match, less where they do."""
    for seed in sorted({row["seed"] for row in rows}):
        groups: dict[bool, list[float]] = {}
        for row in rows:
            if row["seed"] == seed:
                groups.setdefault(is_matching(row, MARGIN), []).append(100 * row[TRAINING_BARRIER])
        if len(groups) == 2:
            yield fmean(groups[False]) - fmean(groups[True])


def levels_table() -> str:
    """A row for each level: the barrier to the level before, and in how many seeds it is low and the ticket matches."""
    cells = []
    for rows in by_level().values():
        barrier = t_interval([100 * row[BARRIER] for row in rows])
        half = "" if barrier.high is None else f" ±{number(barrier.high - barrier.mean)}"
        connected = [is_connected(row, STABLE) for row in rows]
        matching = [is_matching(row, MARGIN) for row in rows]
        agree = sum(x == y for x, y in zip(connected, matching, strict=True))
        counts = [f"{count} of {len(rows)}" for count in (sum(connected), sum(matching), agree)]
        cells.append([density_text(rows[0]["density"]), f"{number(barrier.mean)}{half}", *counts])
    return table(HEADS, cells)
