"""Lines against density: the figure that most experiments draw, of one seed or over seeds, declared once.

Of one seed a line is the mean over draws and a band from the lowest to the highest; over seeds it is the mean with
error bars. Axes, labels, captions and looks are the same, so that a paper's figure is a declaration with other names.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from lth.core.tables import Row
from lth.report.figures.axes import (
    PAGE_WIDTH,
    STYLES,
    ArmStyle,
    Summary,
    about_draws,
    arm_style,
    censored_handle,
    count_axis,
    density_axis,
    fitting,
    legend_above,
    log_axis,
    new_figure,
    plot_band,
    plot_points,
    summarize,
)
from lth.report.figures.captions import about_seeds
from lth.report.figures.drawing import Sketch
from lth.report.intervals import Summarize, over_seeds
from lth.report.results import Results
from lth.report.statistics import STOP, arms_of, measured, percent


@dataclass(frozen=True)
class Measure:
    """A panel: a column, the label of its axis, the factor that it is shown with, and how the axis goes.

    log: logarithmic; zero: from 0 on; only: arms that it is shown for (empty: all). title: above the panel.
    """

    column: str
    label: str
    factor: float = 1.0
    log: bool = False
    zero: bool = False
    title: str = ""


ACCURACY_EARLY = Measure("early_stop_test_accuracy", "test accuracy at early stop (%)", 100)
ACCURACY_END = Measure("final_test_accuracy", "test accuracy at the end (%)", 100)
TRAIN_ACCURACY_END = Measure("final_train_accuracy", "train accuracy at the end (%)", 100)
EARLY_STOP = Measure(STOP, "early-stop iteration", zero=True)


@dataclass(frozen=True)
class Line:
    """One curve against density: its label, the arm in its rows, its style.

    group: what a dense network is drawn for: lines of several networks have one each.
    """

    label: str
    arm: str
    style: ArmStyle
    rows: list[Row]
    group: str = ""

    def points(self, measure: Measure, bars: Summarize | None) -> list[Summary]:
        """`measure` at each density: the mean over draws with their range, or over seeds with `bars`."""
        if bars is None:
            return summarize(self.rows, self.arm, measure.column, measure.factor)
        points = []
        for _, (density, interval) in sorted(over_seeds(self.rows, self.arm, measure.column, bars).items()):
            ends = (interval.mean if end is None else end for end in (interval.low, interval.high))
            low, high = (measure.factor * end for end in ends)
            points.append(Summary(density, measure.factor * interval.mean, low, high, interval.censored > 0))
        return points


def arm_lines(rows: Sequence[Row]) -> list[Line]:
    """A line for each arm, in order of appearance."""
    return [Line(arm, arm, arm_style(arm), [row for row in rows if row["arm"] == arm]) for arm in arms_of(rows)]


@dataclass(frozen=True)
class Panel:
    """What a panel shows: its measure, and for each line of the figure the points that were measured."""

    measure: Measure
    points: Sequence[Sequence[Summary]]

    @property
    def everything(self) -> list[Summary]:
        """The points of all lines."""
        return [point for points in self.points for point in points]


@dataclass(frozen=True)
class LineFigure:
    """Lines against density, a panel a measure; a panel needs two densities, and what was not measured is left out.

    lines: how rows become lines. choose: the measures by the rows, where they depend on them. about: the first sentence
    of the caption. legend: what the lines' names mean, as a text for the caption. across: panels side by side. apart:
    points between the error bars of two lines at one density. letters: (a), (b) ... above the panels. dense: a thin line
    at the dense network's value. caption: what else the caption says.
    """

    name: str
    title: str
    about: str
    measures: Sequence[Measure] = ()
    choose: Callable[[Sequence[Row]], Sequence[Measure]] | None = None
    table: str = "results"
    lines: Callable[[Sequence[Row]], list[Line]] = arm_lines
    legend: Callable[[Sequence[Line]], str] = lambda lines: ""
    caption: Callable[[Results], str] = lambda results: ""
    handles: Callable[[Sequence[Line]], list[Line2D]] | None = None
    across: int = 2
    apart: float = 2.2
    letters: bool = False
    dense: bool = True
    height: float = 2.2
    least: int = 1

    def sketch(self, results: Results) -> Sketch | None:
        """The figure of `results`; None where no panel has a line with two densities, or fewer than `least` lines."""
        rows = results[self.table]
        measures = self.measures if self.choose is None else self.choose(rows)
        lines = self.lines(rows)
        panels = [Panel(measure, [line.points(measure, results.bars) for line in lines]) for measure in measures]
        panels = [panel for panel in panels if any(len(measured_points(points)) > 1 for points in panel.points)]
        used = [line for place, line in enumerate(lines) if any(panel.points[place] for panel in panels)]
        if not panels or len(used) < self.least:
            return None
        down, across = math.ceil(len(panels) / self.across), min(self.across, len(panels))
        figure, grid = new_figure(down, across, 0.55 + self.height * down)
        if across == 2:
            figure.set_figwidth(PAGE_WIDTH)
        places = [axes for row in grid for axes in row]
        for spare in places[len(panels) :]:
            figure.delaxes(spare)
        cut = [self._panel(axes, panel, lines, results) for axes, panel in zip(places, panels, strict=False)]
        for letter, axes, panel in zip("abcdefgh", places, panels, strict=False):
            lettered = self.letters and len(panels) > 1
            axes.set_title(f"({letter})" if lettered else panel.measure.title, loc="left")
        handles = self.handles(used) if self.handles else [line_handle(line.label, line.style) for line in used]
        if self.dense:
            handles.append(line_handle("dense", ArmStyle(STYLES["dense"].colour, "", "-", STYLES["dense"].width)))
        censored = any(point.censored for panel in panels for point in panel.everything)
        legend_above(figure, [*handles, *([censored_handle()] if censored else [])])
        caption = self._caption(results, used, any(cut), censored)
        return Sketch(self.name, self.title, caption, described(panels, lines), figure)

    def _panel(self, axes: Axes, panel: Panel, lines: Sequence[Line], results: Results) -> bool:
        """Draws one panel; whether an error bar reaches beyond its limits."""
        if self.dense:
            self._dense_lines(axes, panel, lines, results)
        barred = results.bars is not None and any(point.high > point.low for point in panel.everything)
        step = self.apart if barred else 0.0
        for place in reversed(range(len(lines))):  # the first line, drawn last, lies on top, and where it belongs
            side = -1 if place % 2 else 1
            if results.bars is None:
                plot_band(axes, lines[place].style, panel.points[place])
            else:
                plot_points(axes, lines[place].style, panel.points[place], side * step * ((place + 1) // 2))
        density_axis(axes, shown_densities(lines, panel), labels=7 if self.across < 3 else 4)
        axes.set_ylabel(panel.measure.label)
        return set_limits(axes, panel, results.bars is not None)

    def _dense_lines(self, axes: Axes, panel: Panel, lines: Sequence[Line], results: Results) -> None:
        """A thin line at the value of the dense network of each group."""
        dense: dict[str, tuple[float, str]] = {}
        for line, points in zip(lines, panel.points, strict=True):
            if points and points[0].density == 1 and measured(points[0].mean):
                colour = line.style.colour if line.group else STYLES["dense"].colour
                dense.setdefault(line.group, (points[0].mean, colour))
        for value, colour in dense.values():
            axes.axhline(value, color=colour, linewidth=STYLES["dense"].width if len(dense) == 1 else 0.6)

    def _caption(self, results: Results, lines: Sequence[Line], cut: bool, censored: bool) -> str:
        rows = [row for line in lines for row in line.rows]
        legend = self.legend(lines)
        parts = [self.about, legend and f"{legend[0].upper()}{legend[1:]}.", self.caption(results)]
        if self.dense:
            parts.append("The thin line is the dense network.")
        parts.append(about_draws(rows) if results.bars is None else about_seeds(rows, results.bars))
        if results.bars is not None and len(lines) > 1 and "error bars" in parts[-1]:
            parts.append("Lines are set a little apart, so that error bars do not hide each other.")
        if cut:
            parts.append("Error bars that end at the edge of a panel go on beyond it.")
        if censored:
            parts.append(
                "Hollow: a lower bound, since an early stop lies in the last 5% of training and the minimum may come"
                " later."
            )
        return " ".join(part.strip() for part in parts if part.strip())


def measured_points(points: Sequence[Summary]) -> list[Summary]:
    """The points that have a value."""
    return [point for point in points if measured(point.mean)]


def shown_densities(lines: Sequence[Line], panel: Panel) -> set[float]:
    """The densities of the group that gets sparsest: those of several networks would be a row of ticks too dense."""
    groups: dict[str, set[float]] = {}
    for line, points in zip(lines, panel.points, strict=True):
        groups.setdefault(line.group, set()).update(point.density for point in points)
    return min((group for group in groups.values() if group), key=min)


def set_limits(axes: Axes, panel: Panel, over_several: bool) -> bool:
    """Sets the y axis of a panel; whether an error bar reaches beyond it."""
    measure, points = panel.measure, measured_points(panel.everything)
    if measure.log:
        log_axis(axes, [point.mean for point in points])
        return False
    if measure.column == STOP:
        count_axis(axes.yaxis, 6)
    low, high = fitting(points) if over_several else axes.get_ylim()
    if measure.zero:
        low = 0.0
    if measure.factor == 100.0 and over_several:
        high = min(high, 100 + 0.02 * (high - low))  # a t interval may promise more than all: no axis does
    if over_several or measure.zero:
        axes.set_ylim(low, high)
    return over_several and any(point.high > high or point.low < low for point in points)


def line_handle(label: str, style: ArmStyle) -> Line2D:
    """The legend's entry for a line."""
    line = Line2D([], [], color=style.colour, linestyle=style.dashes, linewidth=style.width, label=label)
    line.set_marker(style.marker)
    return line


def described(panels: Sequence[Panel], lines: Sequence[Line]) -> str:
    """In words, the first and the last point of every line, for those who cannot see the figure."""
    words = []
    for panel in panels:
        for line, points in zip(lines, panel.points, strict=True):
            if ends := measured_points(points):
                first, last = ends[0], ends[-1]
                words.append(
                    f"{panel.measure.label}, {line.label}: {first.mean:,.5g} at {percent(first.density)}%,"
                    f" {'at least ' if last.censored else ''}{last.mean:,.5g} at {percent(last.density)}%"
                )
    return "; ".join(words) + " of the weights."
