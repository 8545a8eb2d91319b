"""Training curves: accuracy and loss against the iteration, a column of panels a level."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from lth.core.tables import Row
from lth.report.compared import bracket, measures_in
from lth.report.figures.axes import PLAIN, arm_handle, arm_style, count_axis, legend_above, new_figure
from lth.report.figures.captions import about_draws
from lth.report.figures.drawing import Sketch
from lth.report.results import Results
from lth.report.statistics import arms_of, densities, measured, percent
from lth.tasks.metrics import CLASSIFICATION, LOSS, Measures, Metric


def levels_shown(results: Sequence[Row], count: int = 4) -> list[int]:
    """At most `count` levels spread over those that controls ran at, else over the ticket's; level 0 if it is alone."""
    controls = sorted({row["level"] for row in results if row["arm"] != "ticket"})
    pruned = controls or sorted({row["level"] for row in results if row["level"] > 0})
    chosen = {pruned[math.ceil(i * len(pruned) / count) - 1] for i in range(1, count + 1)} if pruned else {0}
    return sorted(chosen)


MOST_LABELS = 7
"""A logarithmic axis of iterations with so many labels has one at each power of ten instead."""
Curve = dict[int, tuple[float, float, float]]
"""Iteration -> mean, lowest and highest over the draws."""
Panel = dict[str, Curve]
"""Arm -> its curve; `dense` first."""


def curve(trainings: Iterable[Sequence[Row]], column: str, factor: float) -> Curve:
    """`column` times `factor` over the rows of some draws' trainings; empty where it has fewer than two points."""
    seen: dict[int, list[float]] = {}
    for row in (row for training in trainings for row in training):
        if measured(row.get(column)):  # a loop of the user's need not measure it
            seen.setdefault(row["iteration"], []).append(factor * row[column])
    found = {at: (sum(values) / len(values), min(values), max(values)) for at, values in sorted(seen.items())}
    return found if len(found) > 1 else {}


def plot_curve(axes: Axes, arm: str, line: Curve, stop: int | None) -> None:
    """Draws one training curve of `arm` with its band; its marker stands at iteration `stop`, if there is one."""
    look = arm_style(arm)
    mean, low, high = zip(*line.values(), strict=True)
    axes.plot(list(line), mean, color=look.colour, linestyle=look.dashes, linewidth=look.width)
    if low != high:
        axes.fill_between(list(line), low, high, color=look.colour, alpha=0.18, linewidth=0)
    if stop in line:
        edge: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 0.5}
        axes.plot(stop, line[stop][0], marker=look.marker, linestyle="", color=look.colour, **edge)


def log_iterations(axes: Axes, first: int, last: int) -> None:
    """Makes x a logarithmic axis of iterations that also has 0, `first` being the first one after it."""
    axes.set_xscale("symlog", linthresh=first, linscale=0.35)
    fine, coarse = ([10**power * step for power in range(7) for step in steps] for steps in ((1, 2, 5), (1,)))
    fine, coarse = ([tick for tick in ticks if first <= tick <= last] for ticks in (fine, coarse))
    axes.set_xticks([0, *(fine if len(fine) < MOST_LABELS else coarse)])
    axes.set_xticks(fine, minor=True)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(0, 1.05 * last)
    axes.set_xlabel("iteration")


def panel_curves(by_run: Mapping[str, list[Row]], results: Sequence[Row], level: int, *what: Any) -> Panel:
    """Arm -> `curve` of `what` at `level`, the dense network first; without diverged draws and arms without a curve."""
    done = [row for row in results if row["status"] == "done"]
    panel = {"dense": [row for row in done if row["level"] == 0]}
    if level > 0:
        panel |= {arm: [row for row in done if (row["level"], row["arm"]) == (level, arm)] for arm in arms_of(results)}
    found = {arm: curve([by_run.get(row["run"], []) for row in draws], *what) for arm, draws in panel.items()}
    return {arm: line for arm, line in found.items() if line}


def best(line: Curve, metric: Metric) -> int:
    """The iteration at which the mean of `line`, of a metric, is best, the first of equals."""
    return max(line, key=lambda iteration: metric.sign * line[iteration][0])


def curves_shown(measures: Measures, validation: bool) -> dict[str, tuple[str, float]]:
    """The label of each panel -> its column and the factor that it is shown with.

    The metric that networks are compared by, the loss, and what else decides the early stop. On the validation split;
    without one, the test metric (where it was measured on the way) and training loss.
    """
    metric, decider = measures.primary, measures.decider
    split = "validation" if validation else "test"
    shown = {f"{split} {metric.words}{bracket(metric)}": (metric.on("val" if validation else "test"), metric.factor)}
    shown |= {"validation loss": ("val_loss", 1.0)} if validation else {"training loss": ("train_loss", 1.0)}
    if validation and decider not in (metric, LOSS):
        shown[f"validation {decider.words}{bracket(decider)}"] = (decider.on("val"), decider.factor)
    return shown


def settled(panels: Sequence[Panel]) -> float | None:
    """The iteration after a tenth of training: before it curves rise from chance level. None where they are short."""
    lines = [line for panel in panels for line in panel.values()]
    first, last = min(min(line) for line in lines), max(max(line) for line in lines)
    return first + 0.1 * (last - first) if max(len(line) for line in lines) > 10 else None


def limits(panels: Sequence[Panel], stops: Sequence[Mapping[str, int]], start: float | None) -> tuple[float, float]:
    """Limits of y that hold all curves with their bands from iteration `start` on, and every early stop."""
    places = [
        place
        for panel, stop in zip(panels, stops, strict=True)
        for arm, line in panel.items()
        for iteration, place in line.items()
        if start is None or iteration >= start or iteration == stop.get(arm)
    ]
    low, high = min(place[1] for place in places), max(place[2] for place in places)
    margin = 0.06 * (high - low) or 0.01
    return low - margin, high + margin


def sketch_curves(shown: Results) -> Sketch | None:
    """Metric and loss in training, a column of panels a level; None where no training has two measured points."""
    results, rows = shown["results"], shown["curves"]
    measures = measures_in(results)
    pairs = curves_shown(measures, any(measured(row["val_loss"]) for row in rows))
    levels = levels_shown(results)
    by_run: dict[str, list[Row]] = {}
    for row in rows:
        by_run.setdefault(row["run"], []).append(row)
    by_label = {label: [panel_curves(by_run, results, at, *what) for at in levels] for label, what in pairs.items()}
    measured_panels = {label: panels for label, panels in by_label.items() if any(panels)}
    if not measured_panels:
        return None
    deciding = next((label for label, (column, _) in pairs.items() if column == measures.decide), "")
    deciders = measured_panels.get(deciding, [{}] * len(levels))
    stops = [{arm: best(line, measures.decider) for arm, line in panel.items()} for panel in deciders]
    start = settled([panel for panels in measured_panels.values() for panel in panels])
    figure, grid = new_figure(
        len(measured_panels), len(levels), 0.8 + 1.5 * len(measured_panels), sharex=True, sharey="row"
    )
    for across, (label, panels) in zip(grid, measured_panels.items(), strict=True):
        for axes, panel, stop in zip(across, panels, stops, strict=True):
            for arm in reversed(panel):  # the dense network, drawn last, lies on top: it is thin
                plot_curve(axes, arm, panel[arm], stop.get(arm))
        across[0].set_ylim(limits(panels, stops, start))
        across[0].set_ylabel(label)
    for axes, level in zip(grid[0], levels, strict=True):
        axes.set_title(f"{percent(densities(results)[level])}% of the weights")
        count_axis(axes.xaxis, 3 if len(levels) > 2 else 6)
    figure.supxlabel("iteration", fontsize=PLAIN["axes.labelsize"])
    arms = dict.fromkeys(arm for panels in measured_panels.values() for panel in panels for arm in panel)
    legend_above(figure, [arm_handle(arm, marker=any(stops)) for arm in arms])
    caption = _about_curves(results, levels, list(measured_panels), start, deciding in measured_panels)
    return Sketch("curves", "Training curves", caption, described(measured_panels, levels, results), figure)


def _about_curves(
    results: Sequence[Row], levels: Sequence[int], labels: list[str], start: float | None, stopped: bool
) -> str:
    names = " and ".join(label.split(" (")[0] for label in labels)
    caption = f"{names[0].upper()}{names[1:]} against the iteration. "
    if levels != [0]:
        caption += "Each panel is one level; the thin dark line, the same in every panel, is the dense network. "
    if stopped:
        decider = measures_in(results).decider
        best = "highest" if decider.better == "higher" else "lowest"
        caption += f"Markers show the early stop, where the mean validation {decider.words} is {best}. "
    if start is not None:
        change = "rise from chance level" if measures_in(results) == CLASSIFICATION else "are far off"
        caption += f"The y axes fit the curves after iteration {start:,.0f}; before it, they {change}. "
    return caption + about_draws(results)


def described(by_label: Mapping[str, Sequence[Panel]], levels: Sequence[int], results: Sequence[Row]) -> str:
    """In words, the first and the last value of every curve, for those who cannot see the figure."""
    by_level = densities(results)
    words = [
        f"{label} at {percent(by_level[level])}% of the weights, {arm}: {means[0]:,.5g} to {means[-1]:,.5g}"
        for label, panels in by_label.items()
        for level, panel in zip(levels, panels, strict=True)
        for arm, line in panel.items()
        for means in [[mean for mean, _, _ in line.values()]]
    ]
    return f"From the first to the last evaluation: {'; '.join(words)}."
