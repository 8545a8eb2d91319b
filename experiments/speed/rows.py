"""The rows of the tables of `lth speed`, from the times of blocks that took turns."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from lth.core.tables import Row

from .goals import EVALUATION, GOALS, LADDER, LADDER_USUAL
from .ladder import Ladder
from .networks import Network
from .ways import COMPARED, DENSE, OURS, USUAL


def ratio_rows(times: Mapping[str, Sequence[float]]) -> list[Row]:
    """A row for each pair of ways that were both timed: the ratio of their medians, the quartiles of those of turns."""
    pairs = [(above, below) for above, below in COMPARED if above in times and below in times]
    return [{"above": above, "below": below, **ratio_of(times[above], times[below])} for above, below in pairs]


def ratio_of(above: Sequence[float], below: Sequence[float]) -> Row:
    """The ratio of the medians of two ways that took turns, and the quartiles of the ratios within a turn."""
    turns = quartiles([one / other for one, other in zip(above, below, strict=True)])
    ratio = round(float(np.median(above) / np.median(below)), 4)
    return {"ratio": ratio, "quartile_1": turns["quartile_1"], "quartile_3": turns["quartile_3"]}


def time_row(network: Network, density: float, way: str, values: Sequence[float]) -> Row:
    """A row of speed.csv: the time of an iteration of `network` in a way, of the blocks that took `values`."""
    about = {"network": network.name, "density": density, "way": way, "batch_size": network.recipe["batch_size"]}
    return about | quartiles(values) | {"blocks": len(values)}


def quartiles(values: Sequence[float]) -> Row:
    """Median and quartiles; quartiles of two values or more."""
    low, median, high = np.percentile(values, (25, 50, 75)).round(4).tolist()
    several = len(values) > 1
    return {"median": median, "quartile_1": low if several else None, "quartile_3": high if several else None}


def measure_row(measure: str, unit: str, values: Sequence[float]) -> Row:
    """A row of measures.csv."""
    goal = GOALS.get(measure)
    return {"measure": measure, "unit": unit, **quartiles(values), "goal": goal and str(goal)}


def ladder_rows(ladder: Ladder) -> Iterator[Row]:
    """What the search took in each way, and as ratios."""
    totals = {way: ladder.total(way) for way in ladder.seconds}
    yield measure_row(LADDER, "times", [totals[OURS] / totals[DENSE]])
    yield measure_row(LADDER_USUAL, "times", [totals[USUAL] / totals[OURS]])
    for way, seconds in totals.items():
        yield measure_row(f"search: {way}", "s", [seconds])
    yield measure_row(EVALUATION, "%", [ladder.evaluation_share(OURS)])
    yield measure_row("evaluation in a search: ours_dense", "%", [ladder.evaluation_share(DENSE)])
