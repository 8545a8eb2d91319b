"""The findings of outputs/reference/imp: one seed of `lth imp` with its defaults."""

import statistics
from pathlib import Path

from findings.measured import Measured, listed, number, runs
from findings.pages import REFERENCE, paragraph
from lth.report.claims.files import Claims
from lth.report.statistics import binomial_error
from lth.report.statistics import percent as density_text

FOLDER = REFERENCE / "imp"
CLAIMS = Claims("", "imp", "lth imp", "mnist1d", "lenet_300_100", (), Path("imp"))
MEASURED = Measured(CLAIMS, (FOLDER / "results.csv",))
ACCURACY = "early_stop_test_accuracy"
SPARSE = 0.141
"""The largest density that the sentences are about."""


def blocks() -> dict[str, str]:
    """Name -> text of the page's blocks."""
    return {"trainings": trainings(), "shows": paragraph(shows())}


def pages() -> dict[str, dict[str, str]]:
    """Page -> the text of its blocks: the reference run in the tutorial."""
    return {"docs/pages/tutorial.md": {"reference_run": paragraph(f"This is the reference run. {shows()}")}}


def trainings() -> str:
    """What was trained."""
    rows = MEASURED.results
    (iterations,) = {row["iterations"] for row in rows}
    arms = list(dict.fromkeys(f"`{row['arm']}`" for row in rows))
    return paragraph(
        f"""One seed of MNIST-1D with a 300-100 network: {len({row["level"] for row in rows})} levels, the arms
            {listed(arms)}, {len(runs(rows))} trainings of {iterations:,} iterations."""
    )


def shows() -> str:
    """How far the ticket lies above its controls where few weights are left."""
    sparse = [row for row in MEASURED.results if row["density"] < SPARSE]
    arms = ("ticket", "reinit", "scratch")
    means = {arm: statistics.fmean(row[ACCURACY] for row in sparse if row["arm"] == arm) for arm in arms}
    examples = MEASURED.evidence.examples
    assert examples
    error = 100 * binomial_error(means["ticket"], means["reinit"], examples)
    controls = [row for row in sparse if row["arm"] != "ticket"]
    late = sum(row["early_stop_censored"] for row in controls)
    above = [number(100 * (means["ticket"] - means[arm]), 1) for arm in ("reinit", "scratch")]
    return f"""At {density_text(max(row["density"] for row in sparse))}% of the weights and below, the ticket's test
        accuracy at the early stop is {above[0]} points above `reinit`'s and {above[1]} above `scratch`'s, on the mean
        of the {len({row["level"] for row in sparse})} levels. The binomial error of a difference on the {examples:,}
        test examples is {error:.1f} points. It is a single seed, so there is no verdict. Of the {len(controls)}
        controls there, {late} stop in the last 5% of their iterations (hollow markers), so they may still improve: part
        of the gap may be speed."""
