"""What each ticket of one replicate of `lth imp` took to find, as a table and in words."""

from collections.abc import Sequence

from lth.compression.search_cost import SEARCH, Pace, Scoring, search_cost
from lth.core.tables import Row
from lth.report.statistics import percent

COLUMNS = ["setting", "seed", "level", "density", *SEARCH]
"""A row a level of one seed: every training that its ticket comes from, and the taking of its score. The ticket's own
training, and those of controls, are not among them."""
HEADS = ("level", "density (%)", "trainings", "iterations", "epochs", "TFLOPs", "seconds")


def search_rows(results: Sequence[Row], pace: Pace, scoring: Scoring | None) -> list[Row]:
    """The rows of `search.csv`, with COLUMNS; none for gradual pruning, whose masks' trainings have no rows."""
    tickets = [row for row in results if row["arm"] == "ticket"]
    if tickets[0]["schedule"].startswith("gradual"):
        return []
    found = []
    for row in tickets:
        about = {key: row[key] for key in ("setting", "seed", "level", "density")}
        found.append(about | search_cost(results, row["level"], pace, scoring).columns)
    return found


def search_sentence(rows: Sequence[Row]) -> str:
    """What the last ticket took to find; empty where that is not known, or nothing."""
    if not rows or not rows[-1]["search_flops"]:
        return ""
    _, density, trainings, _, epochs, flops, seconds = search_cells(rows)[-1]
    count = f"{trainings} training{'s' * (trainings != '1')}"
    return f"To find the last ticket ({density}%) took {count}: {epochs} epochs, {flops} TFLOPs, {seconds} s."


def search_cells(rows: Sequence[Row]) -> list[list[str]]:
    """The rows as text, a cell for each of HEADS."""
    return [
        [
            str(row["level"]),
            percent(row["density"]),
            str(row["search_trainings"]),
            f"{row['search_iterations']:,}",
            f"{row['search_epochs']:,.3g}",
            f"{row['search_flops'] / 1e12:.3g}",
            short(row["search_seconds"]),
        ]
        for row in rows
    ]


def short(seconds: float) -> str:
    """Seconds with two digits, and whole ones where there are more: 0, 0.031, 2.4, 773."""
    return f"{seconds:,.0f}" if seconds >= 10 else f"{seconds:.2g}"
