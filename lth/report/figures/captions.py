"""What captions have in common: draws, seeds, error bars, and trainings that diverged."""

from collections.abc import Sequence

from lth.core.tables import Row
from lth.report.failures import failures
from lth.report.intervals import Summarize, min_max, t_interval
from lth.report.statistics import percent
from lth.report.units import distinct_seeds

ONE_SHOT = "pruned at once, by the dense network's final weights, to the same counts in each layer"
DRAWN_APART = "Lines are drawn slightly apart, so that their error bars do not overlap."


def about_bars(bars: Summarize) -> str:
    """What error bars are called."""
    names: dict[Summarize, str] = {
        t_interval: "95% t intervals over seeds",
        min_max: "from the lowest to the highest seed",
    }
    return names.get(bars, getattr(bars, "__name__", "intervals over seeds"))


def seeds_in(rows: Sequence[Row]) -> str:
    """How many seeds with trainings of their own each level and arm in `rows` has: `n = 5`, or `n = 3 to 5`."""
    places: dict[tuple[str, str, int], list[Row]] = {}
    for row in rows:
        places.setdefault((row["setting"], row["arm"], row["level"]), []).append(row)
    counts = sorted({distinct_seeds(here) for here in places.values()})
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
    """What a caption says of trainings that failed, with the failure rate and its exact interval; else empty.

    Their network is named where there are several.
    """
    places: dict[tuple[str, float], list[Row]] = {}
    several = len({row["model"] for row in rows}) > 1
    for row in rows:
        name = f"{row['model']} {row['arm']}" if several else row["arm"]
        places.setdefault((name, row["density"]), []).append(row)
    lost: dict[tuple[str, str], list[str]] = {}
    for (name, density), here in places.items():
        if (count := failures(here)).failed:
            lost.setdefault((name, str(count)), []).append(f"{percent(density)}%")
    parts = [f"of {name} at {', '.join(densities)} {count}" for (name, count), densities in lost.items()]
    parts += ["those that diverged are in no mean"] if any(row["status"] == "diverged" for row in rows) else []
    return f"Trainings: {'; '.join(parts)}. " if lost else ""
