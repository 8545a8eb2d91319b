"""A panel of lines against density: what it shows, the limits of its axis, and its lines in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from lth.report.figures.axes import Summary, count_axis, fitting, log_axis
from lth.report.figures.series import Line, Measure
from lth.report.statistics import STOP, measured, percent


@dataclass(frozen=True)
class Panel:
    """What a panel shows: its measure, its lines, and the points of each; title: what the panel is called."""

    measure: Measure
    lines: Sequence[Line]
    points: Sequence[Sequence[Summary]]
    title: str = ""

    @property
    def everything(self) -> list[Summary]:
        """The points of all lines."""
        return [point for points in self.points for point in points]

    def pruned(self, outliers: Sequence[str]) -> list[Summary]:
        """The measured points that the axis is to hold: unless far off those of `outliers` (labels or titles)."""
        kept = [
            point
            for line, points in zip(self.lines, self.points, strict=True)
            for point in measured_points(points)
            if line.label not in outliers and self.title not in outliers
        ]
        return unless_far(kept, measured_points(self.everything))


def unless_far(kept: Sequence[Summary], everything: Sequence[Summary]) -> list[Summary]:
    """`everything` where it takes at most twice the height that `kept` takes, or nothing is kept; else `kept`."""
    if not kept:
        return list(everything)
    spreads = [
        max(point.mean for point in points) - min(point.mean for point in points) for points in (kept, everything)
    ]
    return list(everything if spreads[1] <= 2 * spreads[0] else kept)


def measured_points(points: Sequence[Summary]) -> list[Summary]:
    """The points that have a value."""
    return [point for point in points if measured(point.mean)]


def shown_densities(panel: Panel, dense: bool) -> set[float]:
    """The densities of the group that gets sparsest: those of several networks would be a row of ticks too dense.

    dense: whether that of the dense network is among them.
    """
    groups: dict[str, set[float]] = {}
    for line, points in zip(panel.lines, panel.points, strict=True):
        groups.setdefault(line.group, set()).update(point.density for point in points if dense or point.density < 1)
    return min((group for group in groups.values() if group), key=min)


def set_limits(axes: Axes, panel: Panel, over_several: bool, outliers: Sequence[str] = ()) -> bool:
    """Sets the y axis of a panel; whether an error bar reaches beyond it."""
    measure, points = panel.measure, panel.pruned(outliers)
    if measure.log and any(point.mean > 0 for point in points):  # zeros alone have no place on a logarithmic axis
        log_axis(axes, [point.mean for point in points])
        ends = [end for point in points for end in (point.mean, point.low, point.high) if end > 0]
        low, high = min(point.mean for point in points if point.mean > 0), max(ends)
        low = max(min(ends), 0.5 * low)  # an interval may reach to zero, which a logarithmic axis never does
        margin = max(high / low, 1.5) ** 0.05  # equal values, too, have an axis around them
        axes.set_ylim(low / margin, high * margin)
        return any(point.low < low for point in points)
    if measure.column == STOP:
        count_axis(axes.yaxis, 6)
    low, high = fitting(points) if over_several or outliers else axes.get_ylim()
    if measure.zero:
        low = 0.0
    if measure.factor == 100.0 and over_several:
        high = min(high, 100 + 0.02 * (high - low))  # a t interval may promise more than all: no axis does
    if over_several or outliers or measure.zero:
        axes.set_ylim(low, high)
    return over_several and any(point.high > high or point.low < low for point in points)


def described(panels: Sequence[Panel]) -> str:
    """In words, the first and the last point of every line, for those who cannot see the figure."""
    words = []
    for panel in panels:
        measure, about = panel.measure, f"{panel.title}: " if panel.title else ""
        name = about + (f"{measure.title} ({measure.label})" if measure.title else measure.label)
        for line, points in zip(panel.lines, panel.points, strict=True):
            if ends := measured_points(points):
                first, last = ends[0], ends[-1]
                words.append(
                    f"{name}, {line.label}: {first.mean:,.5g} at {percent(first.density)}%,"
                    f" {'at least ' if last.censored else ''}{last.mean:,.5g} at {percent(last.density)}%"
                )
    return "; ".join(words) + " of the weights."
