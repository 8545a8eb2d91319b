"""The figures of Frankle et al. 2021, of one seed or several: methods side by side, and each with its ablations."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lth.core.tables import Row
from lth.lottery.arms import meaning
from lth.pruning.methods import METHODS
from lth.report.figures.axes import (
    PAGE_WIDTH,
    STYLES,
    ArmStyle,
    Summary,
    arm_handle,
    arm_style,
    density_axis,
    legend_above,
)
from lth.report.figures.captions import about_panels, about_seeds, values
from lth.report.figures.drawing import Drawn, Sketch, drawing, write_sketch
from lth.report.intervals import Summarize, t_interval
from lth.report.methods import ACCURACY, by_method, compared, meanings
from lth.report.papers.lines import Line, draw_panels, fitting, line_handle, plot_points
from lth.report.statistics import arms_of

LOOKS = {
    "imp": ArmStyle("#0072B2", "o", "-", 1.6),
    "magnitude_after": ArmStyle("#56B4E9", "<", (0, (5, 1.5))),
    "synflow": ArmStyle("#E69F00", "s", (0, (4, 1.5))),
    "snip": ArmStyle("#D55E00", "D", (0, (2, 1))),
    "grasp": ArmStyle("#009E73", "^", (0, (5, 1.5, 1, 1.5))),
    "grasp_magnitude": ArmStyle("#117733", "v", (0, (1, 1.2))),
    "magnitude": ArmStyle("#CC79A7", "P", (0, (8, 1.5))),
    "random": ArmStyle("#8C8C8C", "X", (0, (1, 1))),
}
COLUMNS = [(ACCURACY, "test accuracy at the end (%)")]
APART = 1.6  # points between the error bars of two lines at one density
ACROSS = 4  # panels side by side


def draw_methods(folder: Path, rows: Sequence[Row], bars: Summarize = t_interval) -> list[Drawn]:
    """Draws the paper's figures into `folder`, each as PNG and PDF, the main one first; none without two densities."""
    shown = compared(rows)
    with drawing():
        sketches = (sketch_methods(shown, bars), sketch_ablations(shown, bars))
        return [write_sketch(folder, sketch) for sketch in sketches if sketch]


def sketch_methods(rows: Sequence[Row], bars: Summarize = t_interval) -> Sketch | None:
    """Accuracy at the end against density, a line a method, the dense network a thin line: the paper's Figure 1."""
    lines = [
        Line(method, "ticket", look_of(method), own)
        for method, own in by_method(rows).items()
        if any(row["level"] for row in own)
    ]
    panels = draw_panels(lines, COLUMNS, bars, APART)
    if panels is None:
        return None
    points = {line.label: line.points(ACCURACY, bars) for line in panels.lines}
    limits = _limits(points)
    panels.figure.axes[0].set_ylim(*limits)
    panels = replace(panels, cut=any(x.low < limits[0] or x.high > limits[1] for own in points.values() for x in own))
    panels.figure.set_size_inches(0.8 * PAGE_WIDTH, 3.1)  # wide enough for the legend
    named = [line_handle(line.label, line.look) for line in panels.lines]
    legend_above(panels.figure, [*named, arm_handle("dense", marker=False)])
    told = "; ".join(f"{name}: {text}" for name, text in meanings(line.label for line in panels.lines).items())
    caption = (
        "The paper's Figure 1: test accuracy at the end of training against the share of prunable weights that are"
    )
    caption += f" left, of masks as each method finds them. What goes: {told}; thin line: the dense network. "
    caption += about_panels(panels, bars) + _beyond(points, limits)
    return Sketch("frankle2021_methods", "Methods", caption, values(panels.lines, COLUMNS, bars), panels.figure)


def sketch_ablations(rows: Sequence[Row], bars: Summarize = t_interval) -> Sketch | None:
    """A panel a method: its mask as it is, and its ablations, on one scale; None where there are no ablations."""
    methods = {method: own for method, own in by_method(rows).items() if len(arms_of(own)) > 1}
    lines = {method: [Line(arm, arm, arm_style(arm), own) for arm in arms_of(own)] for method, own in methods.items()}
    points = {method: [line.points(ACCURACY, bars) for line in found] for method, found in lines.items()}
    pruned = {
        method: [point for line in several for point in line if point.density < 1] for method, several in points.items()
    }
    if not any(pruned.values()):
        return None
    limits = _limits(pruned)
    level_counts = [point.density for several in pruned.values() for point in several]
    barred = any(point.high > point.low for several in pruned.values() for point in several)
    across = min(ACROSS, len(methods))
    down = math.ceil(len(methods) / across)
    figure = Figure(figsize=(max(0.55, across / ACROSS) * PAGE_WIDTH, 0.6 + 1.75 * down), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, sharey=True)
    for spare in grid.flat[len(methods) :]:
        figure.delaxes(spare)
    for number, (axes, method) in enumerate(zip(grid.flat, methods, strict=False)):
        _panel(axes, lines[method], points[method], APART if barred else 0.0)
        density_axis(axes, level_counts, labels=4)
        axes.set_ylim(*limits)
        axes.set_title(method, loc="left")
        axes.set_ylabel("test accuracy (%)")
        axes.label_outer()
        if number + across >= len(methods):  # the lowest of its column
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("weights left (%)")
    arms = list(dict.fromkeys(line.arm for found in lines.values() for line in found))
    legend_above(figure, [*(arm_handle(arm) for arm in arms), arm_handle("dense", marker=False)])
    told = "; ".join(f"{arm}: {meaning(arm)}" for arm in arms)
    caption = (
        "The paper's Figures 3 to 6: test accuracy at the end of training against the share of prunable weights that"
    )
    caption += f" are left, a panel a method, of its masks as they are and of their ablations. {told}; thin line: the"
    caption += f" dense network, where it lies within the panel. {about_seeds(rows, bars)}{_beyond(pruned, limits)}"
    alt = " ".join(
        f"{method}: {values(found, COLUMNS, bars)}" for method, found in lines.items() if any(points[method])
    )
    return Sketch("frankle2021_ablations", "Ablations of each method", caption, alt, figure)


def _limits(points: Mapping[str, Sequence[Summary]]) -> tuple[float, float]:
    """Limits of y that hold the points of all methods but `random`, which falls so far that the others would be one."""
    low, high = fitting(
        [point for method, own in points.items() if method != "random" for point in own] or points["random"]
    )
    return low, min(high, 100 + 0.02 * (high - low))


def _beyond(points: Mapping[str, Sequence[Summary]], limits: tuple[float, float]) -> str:
    """What a caption says where pruning at random falls below the panel."""
    below = any(point.mean < limits[0] for point in points.get("random", []))
    return "Pruning at random goes on below the panel. " if below else ""


def _panel(axes: Axes, lines: Sequence[Line], several: Sequence[list[Summary]], step: float) -> None:
    """Draws the arms of one method; `step`: points between the error bars of two."""
    dense = [points[0].mean for points in several if points and points[0].density == 1]
    for mean in dense[:1]:
        axes.axhline(mean, color=STYLES["dense"].colour, linewidth=STYLES["dense"].width)
    for index in reversed(range(len(lines))):  # the mask as it is, drawn last, lies on top
        here = [point for point in several[index] if point.density < 1]
        side = -1 if index % 2 else 1
        plot_points(axes, lines[index].look, here, side * step * ((index + 1) // 2))


def look_of(method: str) -> ArmStyle:
    """How a method looks."""
    assert method not in METHODS or method in LOOKS, method
    return LOOKS.get(method, arm_style(method))
