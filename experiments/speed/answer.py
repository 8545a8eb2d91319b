"""What `lth speed` shows, in words and as a table."""

from lth.core.tables import Row
from lth.report.results import Results
from lth.report.sheet import Sheet

DIGITS = {"ms per iteration": 3, "times": 2, "%": 1}


def answer(results: Results) -> list[str]:
    """How our loop compares with the usual one and with its bare matrix products."""
    median = {row["measure"]: row["median"] for row in results["speed"]}
    settings = results.settings
    length = f"{settings.blocks} blocks of {settings.iterations} iterations"
    threads = f"{settings.threads} thread{'s' * (settings.threads > 1)}"
    return [
        f"The usual loop takes {median['usual / ours']:.2f} times as long as ours, and ours"
        f" {median['ours / floor']:.2f} times as long as its matrix products alone: medians over {length}, {threads}."
    ]


def sheets(results: Results) -> list[Sheet]:
    """A row for each measure: median, quartiles, and the bound that it is to keep."""
    heads = ("measure", "median", "quartiles", "target")
    return [Sheet("Lenet-300-100, batch 60, Adam, CPU", heads, [cells(row) for row in results["speed"]])]


def cells(row: Row) -> list[str]:
    """A measure as text."""
    digits = DIGITS[row["unit"]]
    median, low, high = (
        "" if row[key] is None else f"{row[key]:.{digits}f}" for key in ("median", "quartile_1", "quartile_3")
    )
    return [f"{row['measure']}, {row['unit']}", median, f"{low} to {high}" if low else "", row["target"] or ""]
