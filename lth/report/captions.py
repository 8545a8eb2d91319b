"""What captions of figures over several seeds have in common: names of arms, seeds, error bars."""

from collections.abc import Sequence

from lth.report.axes import about_diverged
from lth.report.intervals import Summarize, min_max, t_interval
from lth.report.tables import Row

LABELS = {"ticket": "ticket", "reinit": "random reinit", "shuffle": "random sparsity"}
"""Arm -> what the paper's figures call it; a ticket need not be a winning one."""


def about_bars(bars: Summarize) -> str:
    """What error bars are called."""
    names: dict[Summarize, str] = {
        t_interval: "95% t intervals over seeds",
        min_max: "from the lowest to the highest seed",
    }
    return names.get(bars, getattr(bars, "__name__", "intervals over seeds"))


def seeds_in(rows: Sequence[Row]) -> str:
    """How many seeds the levels and arms in `rows` have: `n = 5`, or `n = 3 to 5`."""
    seeds: dict[tuple[str, int], set[int]] = {}
    for row in rows:
        seeds.setdefault((row["arm"], row["level"]), set()).add(row["seed"])
    counts = sorted({len(found) for found in seeds.values()})
    return f"n = {counts[0]}" if len(counts) == 1 else f"n = {counts[0]} to {counts[-1]}"


def about_seeds(rows: Sequence[Row], bars: Summarize) -> str:
    """What a caption says of seeds, draws, error bars and trainings that diverged."""
    several = " and ".join(dict.fromkeys(LABELS.get(row["arm"]) or str(row["arm"]) for row in rows if row["draw"]))
    count = seeds_in(rows)
    text = f"Means over seeds ({count}); error bars: {about_bars(bars)}. " if count != "n = 1" else "One seed. "
    if several:
        text += f"The draws of {several} are averaged within a seed. "
    return text + about_diverged(rows)
