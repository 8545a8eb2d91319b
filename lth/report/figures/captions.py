"""What captions of figures over several seeds have in common: what arms are, seeds, error bars, values in words."""

from collections.abc import Iterator, Sequence

from lth.core.tables import Row
from lth.lottery.arms import meaning
from lth.report.figures.axes import about_diverged
from lth.report.intervals import Summarize, min_max, t_interval
from lth.report.papers.lines import Columns, Line, Panels
from lth.report.statistics import percent

ONE_SHOT = "pruned at once, by the dense network's final weights, to the same counts in each layer"


def meanings(lines: Sequence[Line]) -> dict[str, str]:
    """What the arms in `lines` are, and what one-shot is where a line is of that schedule."""
    found = {line.arm: meaning(line.arm) for line in lines}
    if any(line.rows[0]["schedule"] == "one_shot" for line in lines):
        found["one-shot"] = ONE_SHOT
    return found


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
    counts = sorted({len(found) for found in seeds.values()})
    return f"n = {counts[0]}" if len(counts) == 1 else f"n = {counts[0]} to {counts[-1]}"


def about_seeds(rows: Sequence[Row], bars: Summarize) -> str:
    """What a caption says of seeds, draws, error bars and trainings that diverged."""
    several = " and ".join(dict.fromkeys(row["arm"] for row in rows if row["draw"]))
    count = seeds_in(rows)
    text = f"Means over seeds ({count}); error bars: {about_bars(bars)}. " if count != "n = 1" else "One seed. "
    if several:
        text += f"The draws of {several} are averaged within a seed. "
    return text + about_diverged(rows)


def about_panels(panels: Panels, bars: Summarize) -> str:
    """What a caption says of seeds, error bars and hollow markers."""
    rows = [row for line in panels.lines for row in line.rows]
    text = about_seeds(rows, bars)
    if len(panels.lines) > 1 and "error bars" in text:
        text += "Lines are set a little apart, so that error bars do not hide each other. "
    if panels.cut:
        text += "Error bars that end at the edge of a panel go on beyond it. "
    if panels.censored:
        text += "Hollow: a lower bound, without an error bar: a seed's early stop lies in the last 5% of training, so"
        text += " its minimum may come later. "
    return text


def values(lines: Sequence[Line], columns: Columns, bars: Summarize) -> str:
    """In words, the first and the last point of every line, for those who cannot see it."""

    def ends() -> Iterator[str]:
        for column, label in columns:
            for line in lines:
                points = line.points(column, bars)
                if points:
                    first, last = points[0], points[-1]
                    yield (
                        f"{label}, {line.label}: {first.mean:,.5g} at {percent(first.density)}%,"
                        f" {'at least ' if last.censored else ''}{last.mean:,.5g} at {percent(last.density)}%"
                    )

    return "; ".join(ends()) + " of the weights."
