"""The figures of Evci et al. 2022 within one mask, from the rows of a job of `lth gradient_flow` and nothing else."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from lth.core.tables import Row
from lth.flow.runs import METHODS
from lth.report.figures.axes import count_axis, legend_above, log_axis, new_figure
from lth.report.figures.curves import Curve, curve
from lth.report.figures.drawing import Drawn, Sketch, drawing, write_sketch
from lth.report.intervals import t_interval
from lth.report.papers.hessian import sketch_spectrum
from lth.report.papers.landscape import sketch_lines, sketch_map, sketch_signal
from lth.report.papers.ways import ORDER_ALONE, about, handle, look, paper_name
from lth.report.statistics import arms_of, measured

LEAST_ERROR = 0.01
"""In percent: one of 10,000 test examples; the axis ends there."""
STILL = ("pruned", "ticket", "reinit", "reinit_plus", "restart", "small_dense")
MOVING = ("reinit", "reinit_plus", "set", "set_plus", "rigl", "rigl_plus")


def draw_flow(
    folder: Path, results: Sequence[Row], curves: Sequence[Row], looks: Mapping[str, list[Row]]
) -> list[Drawn]:
    """Draws the paper's figures into `folder`, each as PNG and PDF, the main one first; none without anything seen.

    looks: the rows of `lines`, `signal`, `map`, `updates` and `spectrum`, as `lth.flow` gives them.
    """
    with drawing():
        sketches = (
            sketch_accuracy(results),
            sketch_signal(looks["signal"]),
            sketch_gradient_norm(results, curves),
            sketch_updates(looks["updates"]),
            sketch_spectrum(looks["spectrum"]),
            sketch_lines(looks["lines"]),
            sketch_map(looks["map"]),
        )
        return [write_sketch(folder, sketch) for sketch in sketches if sketch]


def sketch_accuracy(results: Sequence[Row]) -> Sketch | None:
    """The final test accuracy of every arm: each run, their mean and its 95% t interval; None without any."""
    accuracies = {
        arm: [100 * row["final_test_accuracy"] for row in results if row["arm"] == arm and row["status"] == "done"]
        for arm in arms_of(results)
    }
    accuracies = {arm: values for arm, values in accuracies.items() if values}
    if not accuracies:
        return None
    figure, [[axes]] = new_figure(1, 1, 0.7 + 0.24 * len(accuracies))
    words = []
    for place, (arm, values) in enumerate(accuracies.items()):
        seen, style = t_interval(values), look(arm)
        axes.plot(values, [place] * len(values), "|", color=style.colour, markersize=7, alpha=0.6)
        if seen.low is not None and seen.high is not None:
            ends = (max(seen.low, 0.0), min(seen.high, 100 - LEAST_ERROR))
            axes.hlines(place, *ends, color=style.colour, linewidth=1.3)
        axes.plot([seen.mean], [place], style.marker, color=style.colour)
        words.append(f"{paper_name(arm)} {seen.mean:.2f}% (n = {seen.n})")
    axes.set_yticks(range(len(accuracies)), [paper_name(arm) for arm in accuracies])
    axes.invert_yaxis()
    error_axis(axes, [value for values in accuracies.values() for value in values])
    axes.set_xlabel("final test accuracy (%)")
    caption = (
        "Final test accuracy of every way to train the sparse network: each run a stroke, the mean a marker, bars "
    )
    caption += f"95% t intervals, cut at the edge of the panel. The axis is logarithmic in the error. {ORDER_ALONE}"
    caption += "; ".join(f"{paper_name(arm)}: {about(arm)}" for arm in accuracies) + "."
    return Sketch("evci2022_accuracy", "Accuracy of all methods", caption, "; ".join(words) + ".", figure)


def error_axis(axes: Axes, accuracies: Sequence[float]) -> None:
    """Makes x an axis of `accuracies` in percent that is logarithmic in the error, so that 98 and 99 are as far apart
    as 96 and 98: a run that failed leaves room for the others.
    """

    def scaled(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(-np.log(np.maximum(100 - x, LEAST_ERROR)))

    axes.set_xscale("function", functions=(scaled, lambda y: 100 - np.exp(-y)))
    ends = np.array([min(accuracies), max(accuracies)])
    first, last = scaled(ends)
    margin = 0.06 * max(last - first, 0.5)
    low, high = 100 - np.exp(-np.array([first - margin, last + margin]))
    axes.set_xlim(low, high)
    ticks = [tick for tick in (0, 50, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9) if low < tick < high]
    if len(ticks) < 3:  # a narrow range has round numbers of its own
        ticks = [tick for tick in MaxNLocator(4).tick_values(low, high) if low < tick < high]
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.5g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def norms(results: Sequence[Row], curves: Sequence[Row], arm: str) -> Curve:
    """The gradient norm in training: mean, lowest and highest over the runs of `arm`, where all were looked at."""
    by_run: dict[str, list[Row]] = {}
    for row in curves:
        if measured(row["grad_norm"]):
            by_run.setdefault(row["run"], []).append(row)
    runs = [row["run"] for row in results if row["arm"] == arm and row["status"] == "done"]
    seen = [by_run[run] for run in runs if run in by_run]
    common = set.intersection(*({row["iteration"] for row in rows} for rows in seen)) if seen else set()
    return curve([[row for row in rows if row["iteration"] in common] for rows in seen], "grad_norm", 1.0)


def sketch_gradient_norm(results: Sequence[Row], curves: Sequence[Row]) -> Sketch | None:
    """The gradient norm along training, of networks whose masks stay and of those whose masks change."""
    found = {arm: line for arm in dict.fromkeys((*STILL, *MOVING)) if (line := norms(results, curves, arm))}
    shown = {"mask stays": STILL, "mask changes in training": MOVING}
    panels = {title: [arm for arm in arms if arm in found] for title, arms in shown.items()}
    if not any(arm in METHODS and arm != "small_dense" for arm in found):
        del panels["mask changes in training"]
    if not found:
        return None
    figure, [across] = new_figure(1, len(panels), 3.1, sharey=True)
    first = min(at for line in found.values() for at in line if at > 0)
    for axes, (title, arms) in zip(across, panels.items(), strict=True):
        for arm in arms:
            plot_line(axes, arm, found[arm])
        axes.set_title(title, loc="left")
        log_iterations(axes, first, max(max(line) for line in found.values()))
    log_axis(across[0], [mean for line in found.values() for mean, _, _ in line.values()])
    across[0].set_ylabel("gradient norm")
    legend_above(figure, [handle(arm, paper_name(arm), marker=False) for arm in found])
    caption = (
        "L2 norm of the gradient of the training loss in the weights that are left and the biases, on 1,000 fixed"
        f" training examples, in training; both axes are logarithmic, with iteration 0 at the left. {ORDER_ALONE}"
        "Lines: means over runs; bands: from the lowest to the highest. "
    )
    starts = "; ".join(f"{paper_name(arm)}: {line[min(line)][0]:.3g} at the start" for arm, line in found.items())
    return Sketch("evci2022_gradient_norm", "Gradient norm in training", caption, starts + ".", figure)


def plot_line(axes: Axes, arm: str, line: Curve) -> None:
    """Draws the mean of `line` and its band."""
    style = look(arm)
    mean, low, high = zip(*line.values(), strict=True)
    axes.plot(list(line), mean, color=style.colour, linestyle=style.dashes, linewidth=1.0)
    axes.fill_between(list(line), low, high, color=style.colour, alpha=0.12, linewidth=0)


def log_iterations(axes: Axes, first: int, last: int) -> None:
    """Makes x a logarithmic axis of iterations that also has 0, `first` being the first one after it."""
    axes.set_xscale("symlog", linthresh=first, linscale=0.35)
    decades = [10**power * step for power in range(7) for step in (1, 2, 5)]
    axes.set_xticks([0, *(tick for tick in decades if first <= tick <= last)][:8])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(0, 1.05 * last)
    axes.set_xlabel("iteration")


def sketch_updates(rows: Sequence[Row]) -> Sketch | None:
    """What a change of the mask does to the gradient norm at that moment; None without masks that change."""
    arms = [arm for arm in dict.fromkeys(row["arm"] for row in rows)]
    if not arms:
        return None
    figure, [[axes]] = new_figure(1, 1, 2.75)
    words = []
    for arm in arms:
        own, style = [row for row in rows if row["arm"] == arm], look(arm)
        gain = [row["after"] - row["before"] for row in own]
        x = [row["iteration"] for row in own]
        axes.plot(x, gain, color=style.colour, marker=style.marker, linestyle="", markersize=3)
        words.append(f"{arm}: it rises at {sum(value > 0 for value in gain)} of {len(gain)} changes")
    axes.axhline(0, color="#333333", linewidth=0.8)
    count_axis(axes.xaxis, 6)
    axes.set_xlabel("iteration")
    axes.set_ylabel("gradient norm after less before")
    legend_above(figure, [handle(arm, arm) for arm in arms])
    caption = "The gradient norm right after a change of the mask less that right before, of the first run of each arm;"
    caption += f" above zero the new mask lets more gradient through. {'; '.join(words)}."
    return Sketch("evci2022_updates", "Gradient norm and mask updates", caption, "; ".join(words) + ".", figure)
