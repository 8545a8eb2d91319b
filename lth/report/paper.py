"""The figures of Frankle and Carbin 2019 over several seeds, named as in the paper."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from lth.report.axes import (
    PAGE_WIDTH,
    STYLES,
    ArmStyle,
    Sketch,
    Summary,
    arm_handle,
    arm_style,
    censored_handle,
    count_axis,
    density_axis,
    legend_above,
    measured,
    new_figure,
    percent,
)
from lth.report.captions import LABELS, about_seeds
from lth.report.figures import Drawn, drawing, write_sketch
from lth.report.gather import Gathered
from lth.report.intervals import STOP, Summarize, censored_seeds, over_seeds, t_interval
from lth.report.paper_curves import sketch_training
from lth.report.tables import Row

ONE_SHOT = ArmStyle("#56B4E9", "<", (0, (2, 1)))
APART = 2.2  # points between the error bars of two lines at one density
EARLY = [(STOP, "early-stop iteration"), ("early_stop_test_accuracy", "test accuracy at early stop (%)")]
END = [
    ("final_train_accuracy", "train accuracy at the end (%)"),
    ("final_test_accuracy", "test accuracy at the end (%)"),
]


@dataclass(frozen=True)
class Line:
    """One curve against density: `arm` in the rows of one schedule, its name and its look."""

    label: str
    arm: str
    look: ArmStyle
    rows: list[Row]

    def points(self, column: str, bars: Summarize) -> list[Summary]:
        """`column` at each density, accuracies in percent: mean over seeds, and `bars` where several seeds have one."""
        factor = 1.0 if column == STOP else 100.0
        late = censored_seeds(self.rows) if column == STOP else {}
        found = []
        for level, (density, seen) in sorted(over_seeds(self.rows, self.arm, column, bars).items()):
            low, high = (factor * (seen.mean if end is None else end) for end in (seen.low, seen.high))
            found.append(Summary(density, factor * seen.mean, low, high, late.get((level, self.arm), 0) > 0))
        return found


def draw_sweep(folder: Path, gathered: Gathered, bars: Summarize = t_interval) -> list[Drawn]:
    """Draws the paper's figures of one experiment's seeds into `folder`, each as PNG and PDF, the main one first.

    bars: what the error bars show. A figure or panel that nothing was measured for is left out.
    """
    rows = gathered.rows
    with drawing():
        sketches = (
            sketch_pruning(rows, bars),
            sketch_sparse(rows, bars),
            sketch_training(rows, gathered.curves, bars),
        )
        return [write_sketch(folder, sketch) for sketch in sketches if sketch]


def lines_of(rows: Sequence[Row], arms: Sequence[str], once: Sequence[str] = ()) -> list[Line]:
    """A line for each of `arms`, and for each of `once` in the one-shot schedule, that has rows."""
    lines = []
    for arm, shot in [*((arm, False) for arm in arms), *((arm, True) for arm in once)]:
        mine = [row for row in rows if row["arm"] == arm and (row["schedule"] == "one_shot") == shot]
        label = LABELS.get(arm, arm) + (", one-shot" if shot else "")
        if mine:
            lines.append(Line(label, arm, ONE_SHOT if shot and arm == "ticket" else arm_style(arm), mine))
    return lines


def sketch_pruning(rows: Sequence[Row], bars: Summarize) -> Sketch | None:
    """The paper's Figure 4: early stop and accuracy there and at the end, of tickets, reinit and one-shot tickets."""
    what = "The paper's Figure 4: early-stop iteration, test accuracy there, and accuracy at the end of training,"
    lines = lines_of(rows, ["ticket", "reinit"], once=["ticket"])
    return _against_density("frankle2019_fig4", "Early stop and accuracy", what, lines, [*EARLY, *END], bars)


def sketch_sparse(rows: Sequence[Row], bars: Summarize) -> Sketch | None:
    """The paper's Figure 1: early stop and accuracy there, of tickets (solid) and random sparse networks (dashed)."""
    what = "The paper's Figure 1: early-stop iteration and test accuracy there, of tickets and of the same layers'"
    what += " densities placed at random (dashed),"
    lines = [
        replace(line, look=replace(line.look, dashes=(0, (4, 1.5)))) if line.arm == "shuffle" else line
        for line in lines_of(rows, ["ticket", "shuffle"])
    ]
    if len(lines) < 2:  # the ticket alone is in the other figure already
        return None
    return _against_density("frankle2019_fig1", "Tickets and random sparse networks", what, lines, EARLY, bars)


def _against_density(
    name: str, title: str, what: str, lines: list[Line], columns: Sequence[tuple[str, str]], bars: Summarize
) -> Sketch | None:
    """A panel for each of `columns` that was measured at two densities; None where none was."""
    found = {label: [line.points(column, bars) for line in lines] for column, label in columns}
    shown = {label: several for label, several in found.items() if any(len(points) > 1 for points in several)}
    if not shown:
        return None
    across = min(2, len(shown))
    down = math.ceil(len(shown) / 2)
    figure, grid = new_figure(down, across, 0.55 + 2.2 * down)
    panels = [axes for row in grid for axes in row]
    if across == 2:
        figure.set_figwidth(PAGE_WIDTH)
    for spare in panels[len(shown) :]:
        figure.delaxes(spare)
    cut = [_panel(axes, label, lines, several) for axes, (label, several) in zip(panels, shown.items(), strict=False)]
    if len(shown) > 1:
        for letter, axes in zip("abcd", panels[: len(shown)], strict=False):
            axes.set_title(f"({letter})", loc="left")
    used = [line for index, line in enumerate(lines) if any(several[index] for several in shown.values())]
    handles = [*(line_handle(line.label, line.look) for line in used), arm_handle("dense", marker=False)]
    if any(point.censored for several in shown.values() for points in several for point in points):
        handles.append(censored_handle())
    legend_above(figure, handles)
    caption = f"{what} against the share of prunable weights that are left. " + _about(used, bars, any(cut))
    return Sketch(name, title, caption, _values(used, columns, bars), figure)


def line_handle(label: str, look: ArmStyle) -> Line2D:
    """The legend's entry for a line."""
    return Line2D(
        [], [], color=look.colour, linestyle=look.dashes, marker=look.marker, linewidth=look.width, label=label
    )


def _panel(axes: Axes, label: str, lines: Sequence[Line], several: Sequence[Sequence[Summary]]) -> bool:
    """Draws one panel; whether an error bar reaches beyond its limits."""
    dense = next((points[0].mean for points in several if points and points[0].density == 1), None)
    if dense is not None:
        axes.axhline(dense, color=STYLES["dense"].colour, linewidth=STYLES["dense"].width)
    everything = [point for points in several for point in points]
    apart = APART if any(point.high > point.low for point in everything) else 0.0
    for index in reversed(range(len(lines))):  # the ticket, drawn last, lies on top, and where it belongs
        plot_points(axes, lines[index].look, several[index], (0.0, -apart, apart)[index % 3])
    density_axis(axes, [point.density for point in everything])
    axes.set_ylabel(label)
    low, high = fitting(everything)
    if label == "early-stop iteration":
        count_axis(axes.yaxis, 6)
        axes.set_ylim(0, high)
        return any(point.high > high for point in everything)
    axes.set_ylim(low, high)
    return any(point.high > high or point.low < low for point in everything)


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


def _about(lines: Sequence[Line], bars: Summarize, cut: bool) -> str:
    rows = [row for line in lines for row in line.rows]
    meant = {
        "ticket": "ticket: pruned iteratively and trained from its rewind point, the paper's winning ticket",
        "random reinit": "random reinit: the same mask on a new draw of the initialiser",
        "random sparsity": "random sparsity: the mask shuffled within each layer, on the ticket's initial weights",
        "ticket, one-shot": "ticket, one-shot: pruned at once to the same counts in every layer",
    }
    words = "; ".join(meant[line.label] for line in lines)
    text = f"{words[0].upper()}{words[1:]}; thin line: the dense network. " + about_seeds(rows, bars)
    if len(lines) > 1 and "error bars" in text:
        text += "Lines are set a little apart, so that error bars do not hide each other. "
    if cut:
        text += "Error bars that end at the edge of a panel go on beyond it. "
    if any(row["early_stop_censored"] for row in rows):
        text += "Hollow: a seed's early stop lies in the last 5% of training, so its minimum may come later. "
    return text


def _values(lines: Sequence[Line], columns: Sequence[tuple[str, str]], bars: Summarize) -> str:
    """In words, the first and the last point of every line, for those who cannot see it."""

    def ends() -> Iterator[str]:
        for column, label in columns:
            for line in lines:
                points = [point for point in line.points(column, bars) if measured(point.mean)]
                if points:
                    first, last = points[0], points[-1]
                    yield (
                        f"{label}, {line.label}: {first.mean:,.5g} at {percent(first.density)}%,"
                        f" {last.mean:,.5g} at {percent(last.density)}% of the weights"
                    )

    return "; ".join(ends()) + "."
