"""The findings of outputs/reference/frankle2019_conv2: tickets of Conv-2 beside the dense network and new weights."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from findings.measured import Measured, listed, percent, points, times, trained
from findings.pages import bullets, paragraph
from findings.tickets import censored, left
from lth.report.claims.judged import Measured as AtDensity
from lth.report.headline import sentence
from lth.report.intervals import Interval, over_seeds

MEASURED = Measured.of_paper("frankle2019_conv2")
ACCURACY = "early_stop_test_accuracy"
TICKET, REINIT, DENSE = {"arm": "ticket"}, {"arm": "reinit"}, {"arm": "ticket", "level": 0}
PAPER_ITERATIONS = "20,000"
HOW = "three at a time on one NVIDIA H100, which had six other trainings to do"


def blocks() -> dict[str, str]:
    """Name -> text of the page's blocks."""
    return {"trainings": paragraph(trainings()), "shows": bullets(shows()), "differs": bullets(differs())}


def trainings() -> str:
    """What was trained."""
    rows = MEASURED.results
    levels, seeds = {row["level"] for row in rows}, {row["seed"] for row in rows}
    anew = sorted({row["density"] for row in rows if row["arm"] == "reinit"}, reverse=True)
    return f"""{len(seeds)} seeds, {len(levels)} levels from 100% to {left(min(row["density"] for row in rows))} of the
        weights, `reinit` at {listed([left(density) for density in anew])}: {trained(rows, HOW)}."""


def shows() -> Iterable[str]:
    """The headline, and at each density how accurate and how fast the ticket is."""
    yield sentence(MEASURED.results)
    yield f"""At the early stop the ticket's test accuracy differs from the dense network's, in points, by
        {at_each(compared(TICKET, DENSE), points)}."""
    yield f"""That of `reinit`, the same masks with new weights, differs from the dense network's by
        {at_each(compared(REINIT, DENSE), points)}, and the ticket's from that of `reinit` by
        {at_each(compared(TICKET, REINIT), points)}."""
    yield f"""To its early stop the dense network needs so many times the iterations of the ticket:
        {at_each(compared(TICKET, DENSE, "speedup"), times)}; and `reinit`:
        {at_each(compared(TICKET, REINIT, "speedup"), times)}."""


def differs() -> Iterable[str]:
    """What differs from the paper."""
    dense = over_seeds(MEASURED.results, "ticket", ACCURACY)[0][1].times(100)
    (iterations,) = {row["iterations"] for row in MEASURED.results}
    late = censored(MEASURED.results)
    bounds = (
        f"""Early stops in the last 5% of that are lower bounds, and such networks may become more accurate in a longer
        training: {late}."""
        if late
        else ""
    )
    yield f"""Trainings run for {iterations:,} iterations instead of the paper's {PAPER_ITERATIONS}. {bounds} At its
        early stop the dense network reaches {percent(dense)} test accuracy."""


def compared(of: Mapping[str, Any], than: Mapping[str, Any], estimator: str = "difference") -> list[AtDensity]:
    """What an estimator measures of two networks of the same seed, at each density below 100%."""
    keys = {"column": ACCURACY} if estimator == "difference" else {}
    levels = MEASURED.judged(estimator, of=dict(of), than=dict(than), **keys).measured
    return [level for level in levels if level.density < 1]


def at_each(levels: Iterable[AtDensity], text: Callable[[Interval], str]) -> str:
    """The interval at each density, as `text` writes it."""
    return listed([f"{text(level.interval)} at {left(level.density)}" for level in levels])
