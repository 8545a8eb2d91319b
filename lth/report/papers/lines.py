"""Lines over seeds against density, and the panels that the papers' figures are made of."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from lth.core.tables import Row
from lth.report.figures.axes import (
    PAGE_WIDTH,
    STYLES,
    ArmStyle,
    Summary,
    arm_style,
    censored_handle,
    count_axis,
    density_axis,
    new_figure,
)
from lth.report.intervals import Summarize, over_seeds
from lth.report.statistics import STOP

ONCE = {"ticket": ArmStyle("#56B4E9", "<", (0, (2, 1))), "reinit": ArmStyle("#E69F00", ">", (0, (2, 2)), 1.0)}
"""The looks of one-shot arms: lighter than those of the iterative ones."""
EARLY = [(STOP, "early-stop iteration"), ("early_stop_test_accuracy", "test accuracy at early stop (%)")]
END = [
    ("final_train_accuracy", "train accuracy at the end (%)"),
    ("final_test_accuracy", "test accuracy at the end (%)"),
]
Columns = Sequence[tuple[str, str]]
"""What the panels show: a column of the results, and what its axis is called."""


@dataclass(frozen=True)
class Line:
    """One curve against density: `arm` in the rows of one schedule, its name and its look.

    network: what it is told apart by where a figure has several networks; their dense ones get a thin line each.
    """

    label: str
    arm: str
    look: ArmStyle
    rows: list[Row]
    network: str = ""

    def points(self, column: str, bars: Summarize) -> list[Summary]:
        """`column` at each density, accuracies in percent: mean over seeds, and `bars` where there are any."""
        factor = 1.0 if column == STOP else 100.0
        found = []
        for _, (density, seen) in sorted(over_seeds(self.rows, self.arm, column, bars).items()):
            low, high = (factor * (seen.mean if end is None else end) for end in (seen.low, seen.high))
            found.append(Summary(density, factor * seen.mean, low, high, seen.censored > 0))
        return found


@dataclass(frozen=True)
class Panels:
    """A figure of panels against density: what was drawn, and whether an error bar reaches beyond its panel."""

    figure: Figure
    lines: list[Line]
    censored: bool
    cut: bool


def lines_of(rows: Sequence[Row], arms: Sequence[str], once: Sequence[str] = ()) -> list[Line]:
    """A line for each of `arms`, and for each of `once` in the one-shot schedule, that has rows."""
    lines = []
    for arm, shot in [*((arm, False) for arm in arms), *((arm, True) for arm in once)]:
        mine = [row for row in rows if row["arm"] == arm and (row["schedule"] == "one_shot") == shot]
        look = ONCE.get(arm, arm_style(arm)) if shot else arm_style(arm)
        if mine:
            lines.append(Line(f"{arm}, one-shot" if shot else arm, arm, look, mine))
    return lines


def draw_panels(lines: Sequence[Line], columns: Columns, bars: Summarize, apart: float) -> Panels | None:
    """A panel for each of `columns` that was measured at two densities; None where none was.

    apart: points between the error bars of two lines at one density.
    """
    found = {label: [line.points(column, bars) for line in lines] for column, label in columns}
    shown = {label: several for label, several in found.items() if any(len(points) > 1 for points in several)}
    if not shown:
        return None
    down, across = math.ceil(len(shown) / 2), min(2, len(shown))
    figure, grid = new_figure(down, across, 0.55 + 2.2 * down)
    panels = [axes for row in grid for axes in row]
    if across == 2:
        figure.set_figwidth(PAGE_WIDTH)
    for spare in panels[len(shown) :]:
        figure.delaxes(spare)
    cut = [
        _panel(axes, label, lines, several, apart)
        for axes, (label, several) in zip(panels, shown.items(), strict=False)
    ]
    if len(shown) > 1:
        for letter, axes in zip("abcd", panels[: len(shown)], strict=False):
            axes.set_title(f"({letter})", loc="left")
    used = [line for index, line in enumerate(lines) if any(several[index] for several in shown.values())]
    censored = any(point.censored for several in shown.values() for points in several for point in points)
    return Panels(figure, used, censored, any(cut))


def handles(panels: Panels, first: Sequence[Line2D]) -> list[Line2D]:
    """The entries of a legend: `first`, and what hollow markers are where there are any."""
    return [*first, *([censored_handle()] if panels.censored else [])]


def line_handle(label: str, look: ArmStyle) -> Line2D:
    """The legend's entry for a line."""
    style: dict[str, Any] = {"color": look.colour, "linestyle": look.dashes, "linewidth": look.width}
    return Line2D([], [], marker=look.marker, label=label, **style)


def _panel(axes: Axes, label: str, lines: Sequence[Line], several: Sequence[Sequence[Summary]], apart: float) -> bool:
    """Draws one panel; whether an error bar reaches beyond its limits."""
    dense: dict[str, tuple[float, str]] = {}
    for line, points in zip(lines, several, strict=True):
        if points and points[0].density == 1:
            colour = line.look.colour if line.network else STYLES["dense"].colour
            dense.setdefault(line.network, (points[0].mean, colour))
    for mean, colour in dense.values():
        axes.axhline(mean, color=colour, linewidth=STYLES["dense"].width if len(dense) == 1 else 0.6)
    everything = [point for points in several for point in points]
    step = apart if any(point.high > point.low for point in everything) else 0.0
    for index in reversed(range(len(lines))):  # the ticket, drawn last, lies on top, and where it belongs
        side = -1 if index % 2 else 1
        plot_points(axes, lines[index].look, several[index], side * step * ((index + 1) // 2))
    density_axis(axes, _ladder(lines, several))
    axes.set_ylabel(label)
    low, high = fitting(everything)
    if label == "early-stop iteration":
        count_axis(axes.yaxis, 6)
        axes.set_ylim(0, high)
        return any(point.high > high or point.low < 0 for point in everything)
    high = min(high, 100 + 0.02 * (high - low))  # a t interval may promise more than all: no axis does
    axes.set_ylim(low, high)
    return any(point.high > high or point.low < low for point in everything)


def _ladder(lines: Sequence[Line], several: Sequence[Sequence[Summary]]) -> set[float]:
    """The densities of the network that gets sparsest: several networks' levels would be a row of ticks too dense."""
    found: dict[str, set[float]] = {}
    for line, points in zip(lines, several, strict=True):
        found.setdefault(line.network, set()).update(point.density for point in points)
    return min((densities for densities in found.values() if densities), key=min)


def plot_points(axes: Axes, look: ArmStyle, points: Sequence[Summary], shift: float) -> None:
    """Draws means, joined, with their error bars, `shift` points to the right so that bars do not hide each other."""
    beside = axes.transData + ScaledTranslation(shift / 72, 0, axes.figure.dpi_scale_trans)
    look_of_bars: dict[str, Any] = {"color": look.colour, "linewidth": 0.8, "transform": beside}
    barred = [point for point in points if point.high > point.low]
    places = [100 * point.density for point in barred]
    axes.vlines(places, [point.low for point in barred], [point.high for point in barred], **look_of_bars)
    x, mean = [100 * point.density for point in points], [point.mean for point in points]
    style: dict[str, Any] = {"color": look.colour, "marker": look.marker, "markersize": 3.6, "transform": beside}
    axes.plot(x, mean, linestyle=look.dashes, linewidth=look.width, **style)
    hollow = [(100 * point.density, point.mean) for point in points if point.censored]
    if hollow:
        axes.plot(*zip(*hollow, strict=True), linestyle="", markerfacecolor="white", zorder=2.5, **style)


def fitting(points: Sequence[Summary]) -> tuple[float, float]:
    """Limits of y that hold every mean, and the error bars as far as they leave the means half of the height.

    With two or three seeds a t interval can be many times wider than all differences: it would flatten the lines.
    """
    means = [point.mean for point in points]
    spread = max(max(means) - min(means), 1e-3 * abs(means[0])) or 1.0  # equal but for rounding: not magnified
    low = max(min(point.low for point in points), min(means) - 0.5 * spread)
    high = min(max(point.high for point in points), max(means) + 0.5 * spread)
    margin = 0.05 * max(high - low, spread)
    return low - margin, high + margin
