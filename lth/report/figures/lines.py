"""Lines against density: the figure that most experiments draw, of one seed or over seeds, declared once.

Of one seed a line is the mean over draws and a band from the lowest to the highest; over seeds it is the mean with
error bars. Axes, labels, captions and looks are the same, so that a paper's figure is a declaration with other names.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from lth.core.tables import Row
from lth.report.compared import in_words, measures_in
from lth.report.figures.axes import (
    APART,
    PAGE_WIDTH,
    STYLES,
    censored_handle,
    density_axis,
    fitting,
    legend_above,
    new_figure,
    plot_band,
    plot_points,
)
from lth.report.figures.captions import DRAWN_APART, about_draws, about_seeds
from lth.report.figures.drawing import Sketch
from lth.report.figures.panels import Panel, described, measured_points, set_limits, shown_densities, unless_far
from lth.report.figures.series import Line, Measure, arm_lines, dense_handle, line_handle, of_task
from lth.report.results import Results
from lth.report.statistics import measured


def one_facet(rows: Sequence[Row]) -> dict[str, Sequence[Row]]:
    """All rows in the same panels."""
    return {"": rows}


@dataclass(frozen=True)
class LineFigure:
    """Lines against density, a panel a measure; a panel needs two densities, and what was not measured is left out.

    lines: how rows become lines. facets: title -> rows, for panels that show different rows. choose: the measures by
    the rows, where they depend on them. about: the first sentence of the caption. legend: what the lines' names mean,
    for the caption. caption: what else it says. handles: the entries of the legend, where it is not an entry a line and
    one for the dense network. across: panels side by side; height: of a panel, in inches. apart:
    points between the error bars of two lines at one density. letters: (a), (b) ... above the panels. dense: a thin
    line at the dense network's value. shared: one y axis for all panels. outliers: lines or facets that leave the panel
    where they would flatten the others. least: how many lines there must be. on_page: whether a page shows
    it; else it is only a file.
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
    apart: float = APART
    letters: bool = False
    dense: bool = True
    height: float = 2.2
    shared: bool = False
    outliers: Sequence[str] = ()
    facets: Callable[[Sequence[Row]], Mapping[str, Sequence[Row]]] = one_facet
    least: int = 1
    on_page: bool = True

    def sketch(self, results: Results) -> Sketch | None:
        """The figure of `results`; None where no panel has a line with two densities, or fewer than `least` lines."""
        panels = self.panels(results)
        used = {
            line.label: line
            for panel in panels
            for line, points in zip(panel.lines, panel.points, strict=True)
            if measured_points(points)
        }
        if not panels or len(used) < self.least:
            return None
        figure, places = self._grid(len(panels), len(used))
        limits = self._shared_limits(panels) if self.shared else None
        cut = [self._panel(axes, panel, results, limits) for axes, panel in zip(places, panels, strict=True)]
        self._name_panels(places, panels)
        lines = list(used.values())
        handles = self.handles(lines) if self.handles else [line_handle(line.label, line.style) for line in lines]
        if self.dense and not self.handles:
            handles.append(dense_handle())
        censored = any(point.censored for panel in panels for point in panel.everything)
        legend_above(figure, [*handles, *([censored_handle()] if censored else [])])
        return Sketch(
            self.name,
            in_words(self.title, measures_in(results["results"])),
            self._caption(results, panels, lines, any(cut), censored),
            described(panels),
            figure,
        )

    def _grid(self, panels: int, lines: int) -> tuple[Canvas, list[Axes]]:
        """A figure with room for so many panels and a legend of so many lines, and the axes of its panels."""
        down, across = math.ceil(panels / self.across), min(self.across, panels)
        figure, grid = new_figure(down, across, 0.55 + self.height * down, sharey=self.shared)
        if across == 2:
            figure.set_figwidth(PAGE_WIDTH)
        elif across == 1 and lines > 4:  # room for the legend
            figure.set_figwidth(0.8 * PAGE_WIDTH)
        places = [axes for row in grid for axes in row]
        for spare in places[panels:]:
            figure.delaxes(spare)
        return figure, places[:panels]

    def _name_panels(self, places: Sequence[Axes], panels: Sequence[Panel]) -> None:
        """Titles or letters above panels; where they are many, the density axis is named once a column."""
        across = min(self.across, len(panels))
        for place, (axes, panel) in enumerate(zip(places, panels, strict=True)):
            letter = f"({chr(ord('a') + place)})" if self.letters and len(panels) > 1 else ""
            axes.set_title(letter or panel.title or panel.measure.title, loc="left")
            lowest = place + across >= len(panels)  # of its column
            if self.shared:
                axes.label_outer()
                axes.tick_params(labelbottom=lowest)
            if self.across > 2 or self.shared:
                axes.set_xlabel("weights left (%)" if lowest else "")

    def panels(self, results: Results) -> list[Panel]:
        """The panels that have a line with two densities."""
        rows = results[self.table]
        if not rows:
            return []
        measures = [of_task(measure, rows) for measure in (self.choose(rows) if self.choose else self.measures)]
        panels = []
        for title, facet in self.facets(rows).items():
            lines = self.lines(facet)
            for measure in measures:
                panels.append(Panel(measure, lines, [line.points(measure, results.bars) for line in lines], title))
        return [panel for panel in panels if any(len(measured_points(points)) > 1 for points in panel.points)]

    def _shared_limits(self, panels: Sequence[Panel]) -> tuple[float, float]:
        """Limits of y that hold the pruned networks of every panel but the outliers."""
        points = {
            panel.title: [point for point in measured_points(panel.everything) if point.density < 1] for panel in panels
        }
        kept = [point for title, several in points.items() if title not in self.outliers for point in several]
        low, high = fitting(unless_far(kept, [point for several in points.values() for point in several]))
        return low, min(high, 100 + 0.02 * (high - low)) if panels[0].measure.factor == 100 else high

    def _panel(self, axes: Axes, panel: Panel, results: Results, limits: tuple[float, float] | None) -> bool:
        """Draws one panel; whether an error bar reaches beyond its limits."""
        if self.dense:
            self._dense_lines(axes, panel)
        barred = results.bars is not None and any(point.high > point.low for point in panel.everything)
        step = self.apart if barred else 0.0
        for place in reversed(range(len(panel.lines))):  # the first line, drawn last, lies on top, and where it belongs
            points, style, side = panel.points[place], panel.lines[place].style, -1 if place % 2 else 1
            if self.shared:  # on a shared axis the dense network is a line alone: it may lie far off
                points = [point for point in points if point.density < 1]
            if not measured_points(points):
                continue
            if results.bars is None:
                plot_band(axes, style, points)
            else:
                plot_points(axes, style, points, side * step * ((place + 1) // 2))
        density_axis(axes, shown_densities(panel, dense=not self.shared), labels=7 if self.across < 3 else 4)
        axes.set_ylabel(panel.measure.label)
        if limits is not None:
            axes.set_ylim(*limits)
            return any(point.high > limits[1] or point.low < limits[0] for point in measured_points(panel.everything))
        return set_limits(axes, panel, results.bars is not None, self.outliers)

    def _dense_lines(self, axes: Axes, panel: Panel) -> None:
        """A thin line at the value of the dense network of each group."""
        dense: dict[str, tuple[float, str]] = {}
        for line, points in zip(panel.lines, panel.points, strict=True):
            if points and points[0].density == 1 and measured(points[0].mean):
                colour = line.style.colour if line.group else STYLES["dense"].colour
                dense.setdefault(line.group, (points[0].mean, colour))
        for value, colour in dense.values():
            axes.axhline(value, color=colour, linewidth=STYLES["dense"].width if len(dense) == 1 else 0.6)

    def _caption(
        self, results: Results, panels: Sequence[Panel], lines: Sequence[Line], cut: bool, censored: bool
    ) -> str:
        rows = self._trainings(results, panels)
        legend = self.legend(lines)
        measures = measures_in(results["results"])
        about, caption = in_words(self.about, measures), in_words(self.caption(results), measures)
        parts = [about, legend and f"{legend[0].upper()}{legend[1:]}.", caption]
        if self.dense:
            parts.append("The thin line is the dense network.")
        parts.append(about_draws(rows) if results.bars is None else about_seeds(rows, results.bars))
        if results.bars is not None and len(lines) > 1 and "error bars" in parts[-1]:
            parts.append(DRAWN_APART)
        if cut:
            parts.append("Error bars that end at the edge of a panel extend beyond it.")
        if censored:
            parts.append(
                "Hollow markers are lower bounds: an early stop lies in the last 5% of training, so the minimum may"
                " come later."
            )
        return " ".join(part.strip() for part in parts if part.strip())

    def _trainings(self, results: Results, panels: Sequence[Panel]) -> list[Row]:
        """The rows of results.csv that the figure is about, also those of arms that diverged at every density."""
        if self.table != "results":
            arms = {line.arm for panel in panels for line in panel.lines}
            return [row for row in results["results"] if row["arm"] in arms]
        return list({id(row): row for panel in panels for line in panel.lines for row in line.rows}.values())
