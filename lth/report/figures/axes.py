"""What every figure is made of: the look of each arm, the density axis, lines with bands, legends off the data."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from matplotlib.transforms import ScaledTranslation, Transform

from lth.core.tables import Row
from lth.report.statistics import over_draws, percent

APART = 2.2  # points between the error bars of two lines at one place
PAGE_WIDTH = 6.9  # inches: the text width of the usual one-column paper
LEGEND_ROW = 0.165  # inches
DPI = 200
PLAIN: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same figure on every machine
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.handlelength": 2.8,  # long enough to tell the dashes apart
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.2,
    "savefig.dpi": DPI,
    "text.parse_math": False,  # names of layers and data may have a $ in them
    "pdf.fonttype": 42,  # TrueType: submission systems refuse Type 3 fonts
}


@dataclass(frozen=True)
class ArmStyle:
    """How an arm looks in every figure: colour (Okabe-Ito), marker and dashes, each enough to tell it apart."""

    colour: str
    marker: str | tuple[int, Literal[0, 1, 2], int]
    dashes: Any
    width: float = 1.3


STYLES = {
    "ticket": ArmStyle("#0072B2", "o", "-"),
    "reinit": ArmStyle("#D55E00", "s", (0, (4, 1.5))),
    "shuffle": ArmStyle("#009E73", "^", (0, (5, 1.5, 1, 1.5))),
    "scratch": ArmStyle("#CC79A7", "D", (0, (1, 1.2))),
    "finetune": ArmStyle("#E69F00", "v", (0, (5, 1.2, 1, 1.2, 1, 1.2))),
    "restart": ArmStyle("#56B4E9", "P", (0, (8, 1.5))),
    "reinit_plus": ArmStyle("#882255", "d", (0, (2, 1))),
    "small_dense": ArmStyle("#8C8C8C", "h", (0, (3, 1, 1, 1))),
    "dense_l1": ArmStyle("#DDAA33", "H", (0, (4, 1, 1, 1))),
    "dense_l2": ArmStyle("#999933", (4, 1, 0), (0, (2, 1, 1, 1))),
    "set": ArmStyle("#117733", "<", (0, (6, 1, 1, 1))),
    "rigl": ArmStyle("#332288", ">", (0, (6, 1, 2, 1))),
    "set_plus": ArmStyle("#44AA99", "*", (0, (1, 2))),
    "rigl_plus": ArmStyle("#AA4499", "8", (0, (2, 2))),
    "dense": ArmStyle("#333333", "X", "-", 0.8),
}


@dataclass(frozen=True)
class Summary:
    """What the draws of one arm gave at one density; NaN where none was measured, so that lines break there."""

    density: float
    mean: float
    low: float
    high: float
    censored: bool = False


def arm_style(arm: str) -> ArmStyle:
    """The style of `arm`; black pentagons for one that has none."""
    return STYLES.get(arm, ArmStyle("#000000", "p", (0, (2, 1))))


def summarize(rows: Iterable[Row], arm: str, column: str, factor: float = 1.0) -> list[Summary]:
    """The draws of `arm` at each level that it has rows for, `column` times `factor`, from dense to sparse."""
    by_level: dict[int, list[Row]] = {}
    for row in rows:
        if row["arm"] == arm:
            by_level.setdefault(row["level"], []).append(row)
    found = []
    for _, draws in sorted(by_level.items()):
        seen = over_draws(draws, column, factor)
        mean, low, high = (seen.mean, seen.low, seen.high) if seen else [math.nan] * 3
        found.append(Summary(draws[0]["density"], mean, low, high, seen is not None and seen.censored))
    return found


def density_axis(axes: Axes, shown: Iterable[float], labels: int = 7) -> None:
    """Makes x a density axis in percent: logarithmic, falling to the right, at most `labels` + 1 levels labelled.

    shown: the densities (0..1) of the levels; those that get no label keep a small tick.
    """
    falling = sorted({density for density in shown if density > 0}, reverse=True)
    axes.set_xlabel("weights left (%)")
    if not falling:  # nothing is left anywhere: that has no place on a logarithmic axis
        return
    first, last = falling[0], falling[-1]
    gap = math.log(first / last) / labels
    ticks = [first]
    for density in falling[1:]:
        room = math.log(ticks[-1] / density) >= 0.999 * gap
        if density == last or (room and math.log(density / last) >= 0.999 * gap):
            ticks.append(density)
    margin = max((first / last) ** 0.04, 1.02)
    axes.set_xscale("log", nonpositive="mask")
    axes.set_xlim(100 * first * margin, 100 * last / margin)
    axes.xaxis.set_major_locator(FixedLocator([100 * density for density in ticks]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value / 100)))
    axes.xaxis.set_minor_locator(FixedLocator([100 * density for density in falling]))
    axes.xaxis.set_minor_formatter(NullFormatter())


def log_axis(axes: Axes, values: Iterable[float], which: Literal["x", "y"] = "y") -> None:
    """Makes an axis logarithmic with plain numbers, as finely labelled as the positive `values` ask for."""
    positive = [value for value in values if value > 0]
    ratio = max(positive) / min(positive)
    axis, scale = (axes.yaxis, axes.set_yscale) if which == "y" else (axes.xaxis, axes.set_xscale)
    scale("log", nonpositive="mask")
    decades = LogLocator(subs=(1.0, 2.0, 5.0) if ratio < 150 else (1.0,), numticks=12)
    axis.set_major_locator(decades if ratio > 8 else MaxNLocator(5, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1000 else f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def count_axis(axis: Axis, ticks: int) -> None:
    """Gives `axis` at most `ticks` + 1 labels of iterations: round numbers, with commas between thousands."""
    axis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def plot_band(axes: Axes, style: ArmStyle, points: Sequence[Summary]) -> None:
    """Draws a mean line with its markers, hollow where censored, and the band from lowest to highest."""
    x = [100 * point.density for point in points]
    mean = [point.mean for point in points]
    axes.plot(x, mean, color=style.colour, marker=style.marker, linestyle=style.dashes, linewidth=style.width)
    if any(point.high > point.low for point in points):
        low, high = [point.low for point in points], [point.high for point in points]
        axes.fill_between(x, low, high, color=style.colour, alpha=0.18, linewidth=0)
    hollow = [(100 * point.density, point.mean) for point in points if point.censored]
    if hollow:
        places = tuple(zip(*hollow, strict=True))
        axes.plot(*places, marker=style.marker, linestyle="", color=style.colour, markerfacecolor="white", zorder=2.5)


def moved(axes: Axes, shift: float) -> Transform:
    """Places data `shift` points to the right. What is drawn with it does not count for automatic limits."""
    return axes.transData + ScaledTranslation(shift / 72, 0, axes.figure.dpi_scale_trans)


def plot_points(axes: Axes, style: ArmStyle, points: Sequence[Summary], shift: float) -> None:
    """Draws means, joined, with their error bars, `shift` points to the right so that bars do not hide each other."""
    beside = moved(axes, shift)
    bar: dict[str, Any] = {"color": style.colour, "linewidth": 0.8, "transform": beside}
    barred = [point for point in points if point.high > point.low]
    places = [100 * point.density for point in barred]
    axes.vlines(places, [point.low for point in barred], [point.high for point in barred], **bar)
    x, mean = [100 * point.density for point in points], [point.mean for point in points]
    mark: dict[str, Any] = {"color": style.colour, "marker": style.marker, "markersize": 3.6, "transform": beside}
    axes.plot(x, mean, linestyle=style.dashes, linewidth=style.width, **mark)
    hollow = [(100 * point.density, point.mean) for point in points if point.censored]
    if hollow:
        axes.plot(*zip(*hollow, strict=True), linestyle="", markerfacecolor="white", zorder=2.5, **mark)


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


def arm_handle(arm: str, *, marker: bool = True) -> Line2D:
    """The legend's entry for `arm`, its line with or without the marker."""
    look = arm_style(arm)
    line = Line2D([], [], color=look.colour, linestyle=look.dashes, linewidth=look.width, label=arm)
    line.set_marker(look.marker if marker else "")
    return line


def censored_handle() -> Line2D:
    """The legend's entry for hollow markers."""
    hollow = Line2D([], [], color="#333333", marker="o", markerfacecolor="white", linestyle="")
    hollow.set_label("hollow: censored (last 5%)")
    return hollow


def legend_above(figure: Figure, handles: Sequence[Line2D]) -> None:
    """Puts the legend above the panels, where it covers no data, in as few rows as the figure's width allows.

    More than two rows make the figure higher, so that the panels keep their size.
    """
    widths = [0.5 + 0.065 * len(str(handle.get_label())) for handle in handles]  # inches, line and gap included
    most = len(handles) if len(handles) <= 5 else math.ceil(len(handles) / 2)
    columns = next(
        count for count in range(most, 0, -1) if count == 1 or _width(widths, count) <= figure.get_figwidth()
    )
    rows = math.ceil(len(handles) / columns)
    figure.set_figheight(figure.get_figheight() + LEGEND_ROW * max(0, rows - 2))
    figure.legend(handles=list(handles), loc="outside upper center", ncols=columns, columnspacing=1.6)


def _width(widths: Sequence[float], columns: int) -> float:
    """The width of a legend, in inches, whose entries of some `widths` fill `columns` one after the other."""
    least, more = divmod(len(widths), columns)
    ends = [place * least + min(place, more) for place in range(columns + 1)]
    return sum(max(widths[start:end]) for start, end in pairwise(ends))


def new_figure(rows: int, columns: int, height: float, **sharing: Any) -> tuple[Figure, list[list[Axes]]]:
    """A figure of page width with a grid of panels, by row; narrower where few stand side by side."""
    width = PAGE_WIDTH * {1: 0.62, 2: 1.0 if rows == 1 else 0.75}.get(columns, 1.0)
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, [list(across) for across in figure.subplots(rows, columns, squeeze=False, **sharing)]
