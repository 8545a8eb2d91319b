"""What captions have in common: draws, seeds, error bars, and trainings that diverged."""

from collections.abc import Sequence

from lth.core.tables import Row
from lth.report.intervals import Summarize, min_max, t_interval
from lth.report.statistics import percent

ONE_SHOT = "pruned at once, by the dense network's final weights, to the same counts in each layer"


def about_bars(bars: Summarize) -> str:
    """What error bars are called."""
    names: dict[Summarize, str] = {
        t_interval: "95% t intervals over seeds",
        min_max: "from the lowest to the highest seed",
    }
    return names.get(bars, getattr(bars, "__name__", "intervals over seeds"))


def seeds_in(rows: Sequence[Row]) -> str:
    """How many seeds the levels and arms of each setting in `rows` have: `n = 5`, or `n = 3 to 5`."""
    seeds: dict[tuple[str, str, int], set[int]] = {}
    for row in rows:
        seeds.setdefault((row["setting"], row["arm"], row["level"]), set()).add(row["seed"])
    counts = sorted({len(numbers) for numbers in seeds.values()})
    return f"n = {counts[0]}" if len(counts) == 1 else f"n = {counts[0]} to {counts[-1]}"


def about_seeds(rows: Sequence[Row], bars: Summarize) -> str:
    """What a caption says of seeds, draws, error bars and trainings that diverged."""
    several = " and ".join(dict.fromkeys(row["arm"] for row in rows if row["draw"]))
    count = seeds_in(rows)
    text = f"Means over seeds ({count}); error bars: {about_bars(bars)}. " if count != "n = 1" else "One seed. "
    if several:
        text += f"The draws of {several} are averaged within a seed. "
    return text + about_diverged(rows)


def about_draws(rows: Sequence[Row]) -> str:
    """What a caption says of draws, bands and trainings that diverged; empty where there is nothing to say."""
    several = " and ".join(dict.fromkeys(row["arm"] for row in rows if row["draw"]))
    draws = 1 + max(row["draw"] for row in rows)
    text = f"For {several}: means over {draws} draws, bands from the lowest to the highest. " if several else ""
    return text + about_diverged(rows)


def about_diverged(rows: Sequence[Row]) -> str:
    """What a caption says of trainings that diverged, with their network where there are several; else empty."""
    lost: dict[str, dict[str, None]] = {}
    several = len({row["model"] for row in rows}) > 1
    for row in rows:
        if row["status"] == "diverged":
            name = f"{row['model']} {row['arm']}" if several else row["arm"]
            lost.setdefault(name, {})[f"{percent(row['density'])}%"] = None
    where = "; ".join(f"{arm} at {', '.join(densities)}" for arm, densities in lost.items())
    return f"These trainings diverged and are left out: {where}. " if lost else ""
