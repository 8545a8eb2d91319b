"""Figure 3 of Frankle and Carbin 2019: test accuracy as training proceeds, at some densities, over several seeds."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from lth.core.tables import Row
from lth.lottery.names import meaning
from lth.report.figures.axes import PLAIN, STYLES, count_axis, legend_above, new_figure
from lth.report.figures.captions import about_seeds
from lth.report.figures.curves import Curve, limits, settled
from lth.report.figures.drawing import Sketch
from lth.report.intervals import Summarize, t_interval
from lth.report.results import Results
from lth.report.statistics import densities, measured, percent
from lth.report.units import once

FIRST, SPARSE = (0.513, 0.211), (0.07, 0.036, 0.019)
"""The densities that the paper's panels show beside the dense network."""
NEAR = math.log(2)  # a level stands in for one of these up to half or twice its density
POINTS = 60  # at most, a line: single evaluations are so noisy that five lines would hide each other
BARS = 6  # error bars a line: one at every evaluation would be a band of all lines


@dataclass(frozen=True)
class Training:
    """The mean curve of `arm` at one level over `seeds` seeds, a point for every `block` evaluations in a row."""

    arm: str
    level: int
    curve: Curve
    seeds: int
    block: int


def nearest(wanted: Sequence[float], levels: Mapping[int, float]) -> list[int]:
    """The pruned levels nearest to the `wanted` densities in ratio, from dense to sparse; none twice, none far off."""
    nearest = set()
    for density in wanted:
        away = {level: abs(math.log(there / density)) for level, there in levels.items() if level and there > 0}
        if away and min(away.values()) <= NEAR:
            nearest.add(min(away, key=lambda level: away[level]))
    return sorted(nearest)


def sketch_training(results: Results) -> Sketch | None:
    """Test accuracy against iteration: moderate, sparse, and moderate with reinit, the dense network in each panel.

    Only trainings whose test accuracy was measured at every evaluation have a curve; None without a pruned one.
    """
    rows, bars, curves = results["results"], results.bars or t_interval, dict[str, list[Row]]()
    for row in results["curves"]:
        curves.setdefault(row["run"], []).append(row)
    iterative = [row for row in rows if row["schedule"] != "one_shot" and row["status"] == "done"]
    trained = {
        (arm, level): training
        for arm in ("ticket", "reinit")
        for level in sorted(densities(iterative))
        if (training := mean_curve(iterative, curves, arm, level, bars))
    }
    levels = {
        arm: {level: densities(iterative)[level] for a, level in trained if a == arm} for arm in ("ticket", "reinit")
    }
    first = nearest(FIRST, levels["ticket"])
    sparse = [level for level in nearest(SPARSE, levels["ticket"]) if level not in first]
    again = nearest(FIRST, {level: there for level, there in levels["reinit"].items() if level in levels["ticket"]})
    chosen = [[("ticket", level) for level in group] for group in (first, sparse, again) if group]
    if not chosen:
        return None
    if again:
        chosen[-1] += [("reinit", level) for level in again]
    if ("ticket", 0) in trained:
        chosen = [[("ticket", 0), *panel] for panel in chosen]
    return _sketch([[trained[key] for key in panel] for panel in chosen], densities(iterative), rows, bars)


def mean_curve(
    rows: Sequence[Row], curves: Mapping[str, Sequence[Row]], arm: str, level: int, bars: Summarize
) -> Training | None:
    """Test accuracy in percent over the seeds of `arm` at `level`, draws averaged within a seed; None without one."""
    by_seed: dict[int, list[dict[int, float]]] = {}
    for row in once(rows):
        if (row["arm"], row["level"]) == (arm, level):
            line = test_accuracy(curves.get(row["run"], []))
            if line:
                by_seed.setdefault(row["seed"], []).append(line)
    draws = [line for lines in by_seed.values() for line in lines]
    common = sorted(set.intersection(*(set(line) for line in draws))) if draws else []
    block = max(1, math.ceil(len(common) / POINTS))
    curve: Curve = {}
    for first in range(len(common) % block, len(common), block):  # the last counts, the first is chance level
        near = common[first : first + block]
        values = [statistics.fmean(line[at] for line in lines for at in near) for lines in by_seed.values()]
        seen = bars(values)
        low, high = (seen.mean if end is None else end for end in (seen.low, seen.high))
        curve[round(statistics.fmean(near))] = (seen.mean, low, high)
    return Training(arm, level, curve, len(by_seed), block) if len(curve) > 1 else None


def test_accuracy(training: Sequence[Row]) -> dict[int, float]:
    """Iteration -> test accuracy in percent; empty where an evaluation has none (`recipe.test` is not `always`).

    Rows that have neither loss nor accuracy are no evaluations: observers add them.
    """
    looked = ("train_loss", "val_loss", "test_accuracy")
    evaluations = [row for row in training if any(measured(row[column]) for column in looked)]
    if not all(measured(row["test_accuracy"]) for row in evaluations):
        return {}
    return {row["iteration"]: 100 * row["test_accuracy"] for row in evaluations}


def _sketch(panels: list[list[Training]], there: Mapping[int, float], rows: Sequence[Row], bars: Summarize) -> Sketch:
    pruned = sorted({training.level for panel in panels for training in panel} - {0})
    looks: dict[int, tuple[Any, str]] = {0: (STYLES["dense"].colour, "X")}
    for index, level in enumerate(pruned):  # from dark to light, as it gets sparser
        looks[level] = (colormaps["viridis"](0.25 + 0.57 * index / max(1, len(pruned) - 1)), "os^Dv<>P"[index % 8])
    named = [{f"{each.arm} {each.level}": each.curve for each in panel} for panel in panels]
    start = settled(named)
    figure, [across] = new_figure(1, len(panels), 2.9, sharey=True)
    for axes, panel in zip(across, panels, strict=True):
        for index, training in reversed(list(enumerate(panel))):
            plot_training(axes, training, looks[training.level], index / len(panel), start)
        axes.set_xlim(0, max(max(training.curve) for training in panel) * 1.02)
        count_axis(axes.xaxis, 4)
    for letter, axes, panel in zip("abc", across, panels, strict=False):
        text = "with reinit" if any(training.arm == "reinit" for training in panel) else "ticket"
        axes.set_title(f"({letter}) {text}" if len(panels) > 1 else text, loc="left")
    across[0].set_ylim(limits(named, [{}] * len(named), start))
    across[0].set_ylabel("test accuracy (%)")
    figure.supxlabel("iteration", fontsize=PLAIN["axes.labelsize"])
    handles = [
        Line2D([], [], color=colour, marker=marker, linewidth=1.2, label=f"{percent(there[level])}%")
        for level, (colour, marker) in sorted(looks.items())
        if level or any(training.level == 0 for panel in panels for training in panel)
    ]
    again = any(training.arm == "reinit" for panel in panels for training in panel)
    if again:
        handles.append(Line2D([], [], color="#333333", linestyle=(0, (3, 1.5)), linewidth=1.2, label="reinit"))
    legend_above(figure, handles)
    return Sketch("frankle2019_fig3", "Test accuracy in training", *_about(panels, there, rows, bars, start), figure)


def plot_training(axes: Axes, training: Training, look: tuple[object, str], phase: float, start: float | None) -> None:
    """Draws one mean curve with a few error bars, whose places `phase` (0..1) staggers between lines."""
    colour, marker = look
    dashes = (0, (3, 1.5)) if training.arm == "reinit" else "-"
    axes.plot(
        list(training.curve),
        [mean for mean, _, _ in training.curve.values()],
        color=colour,
        linestyle=dashes,
        linewidth=1.0,
    )
    late = [iteration for iteration in training.curve if start is None or iteration >= start]
    step = max(1, len(late) // BARS)
    places = late[int(phase * step) :: step]
    mean, low, high = zip(*(training.curve[iteration] for iteration in places), strict=True)
    axes.vlines(places, low, high, color=colour, linewidth=0.8)
    axes.plot(places, mean, marker, color=colour, markersize=3.8, markeredgecolor="white", markeredgewidth=0.3)


def _about(
    panels: list[list[Training]], there: Mapping[int, float], rows: Sequence[Row], bars: Summarize, start: float | None
) -> tuple[str, str]:
    shown = {(each.arm, each.level): each for panel in panels for each in panel}
    levels = {level: f"{percent(there[level])}%" for level in sorted({level for _, level in shown})}
    paper = [f"{percent(wanted)}%" for wanted in (*FIRST, *SPARSE)]
    missing = [wanted for wanted in paper if wanted not in levels.values()]
    caption = (
        "Figure 3 of Frankle & Carbin 2019: test accuracy as training proceeds, for the ticket at "
        f"{', '.join(levels.values())} of the weights. "
    )
    if missing:
        caption += (
            f"No level has the paper's {', '.join(missing)} of the weights; the nearest levels take their place. "
        )
    if any(arm == "reinit" for arm, _ in shown):
        caption += f"Dashed, reinit: {meaning('reinit')}. "
    block = max(each.block for each in shown.values())
    if block > 1:
        caption += f"Each point is the mean of {block} evaluations in a row. "
    if start is not None:
        caption += (
            f"The y axis fits the accuracies after iteration {start:,.0f}; before it, curves rise from chance level. "
        )
    used = [row for row in rows if (row["arm"], row["level"]) in shown and row["schedule"] != "one_shot"]
    ends = "; ".join(
        f"{arm} at {levels[level]}: {means[0]:.2f}% to {means[-1]:.2f}%"
        for (arm, level), each in shown.items()
        for means in [[mean for mean, _, _ in each.curve.values()]]
    )
    alt = f"Lines of test accuracy against the iteration. From the first to the last point: {ends}."
    return caption + about_seeds(used, bars), alt
