"""Accuracy of all methods, and gradient norms in training: three figures of Evci et al. 2022."""

import statistics
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from lth.core.tables import Row
from lth.report.failures import failed
from lth.report.figures.axes import count_axis, legend_above, log_axis, new_figure
from lth.report.figures.captions import about_bars, about_diverged
from lth.report.figures.curves import Curve, curve, log_iterations
from lth.report.figures.drawing import Sketch
from lth.report.intervals import t_interval
from lth.report.results import Results
from lth.report.statistics import arms_of, measured

from ..arms import METHODS
from .styles import ONE_MASK, about, handle, paper_name, style_of

LEAST_ERROR = 0.01
"""The smallest error that the axis shows, in percent: one of 10,000 test examples."""
FIXED = ("pruned", "ticket", "reinit", "reinit_plus", "reinit_plus_glorot", "restart", "small_dense")
CHANGING = ("reinit", "reinit_plus", "set", "set_plus", "rigl", "rigl_plus")


def sketch_accuracy(results: Results) -> Sketch | None:
    """The final test accuracy of every arm with its interval, over the runs of one mask, or over several masks.

    None without any.
    """
    rows, bars = results["results"], results.bars or t_interval
    accuracies = {arm: values for arm in arms_of(rows) if (values := accuracies_of(rows, arm))}
    if not accuracies:
        return None
    figure, [[axes]] = new_figure(1, 1, 0.7 + 0.24 * len(accuracies))
    words = []
    for place, (arm, values) in enumerate(accuracies.items()):
        interval, style = bars(values), style_of(arm)
        axes.plot(values, [place] * len(values), "|", color=style.colour, markersize=7, alpha=0.6)
        if interval.low is not None and interval.high is not None:
            ends = (max(interval.low, 0.0), min(interval.high, 100 - LEAST_ERROR))
            axes.hlines(place, *ends, color=style.colour, linewidth=1.3)
        axes.plot([interval.mean], [place], marker=style.marker, linestyle="", color=style.colour)
        words.append(f"{paper_name(arm)} {interval.mean:.2f}% (n = {interval.n})")
    axes.set_yticks(range(len(accuracies)), [paper_name(arm) for arm in accuracies])
    axes.invert_yaxis()
    error_axis(axes, [value for values in accuracies.values() for value in values])
    axes.set_xlabel("final test accuracy (%)")
    masks = masks_in(rows)
    strokes, lengths = f"the means over the runs of {masks} masks, one a seed", about_bars(bars)
    if masks == 1:
        strokes, lengths = "runs", "95% t intervals over runs"
    caption = (
        f"Final test accuracy of the sparse network by initial weights and method. Strokes are {strokes}, markers their"
        f" means, and bars {lengths}, cut at the edge of the panel. The axis is logarithmic in the error. "
    )
    caption += (ONE_MASK if masks == 1 else "") + about_diverged(rows)
    caption += "; ".join(f"{paper_name(arm)}: {about(arm)}" for arm in accuracies) + "."
    return Sketch("evci2022_accuracy", "Accuracy of all methods", caption, "; ".join(words) + ".", figure)


def masks_in(rows: Sequence[Row]) -> int:
    """How many masks the rows are about: a seed has one."""
    return len({row["seed"] for row in rows})


def accuracies_of(rows: Sequence[Row], arm: str) -> list[float]:
    """The final test accuracies of `arm`, in percent: of the runs of one mask, or of several masks their means.

    Runs that failed are left out.
    """
    by_seed: dict[int, list[float]] = {}
    for row in rows:
        if row["arm"] == arm and not failed(row):
            by_seed.setdefault(row["seed"], []).append(100 * row["final_test_accuracy"])
    if masks_in(rows) == 1:
        return [value for values in by_seed.values() for value in values]
    return [statistics.fmean(values) for values in by_seed.values()]


def error_axis(axes: Axes, accuracies: Sequence[float]) -> None:
    """Makes x an axis of `accuracies` in percent that is logarithmic in the error.

    98 and 99 are then as far apart as 96 and 98, so that a run that failed leaves room for the others.
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
    """The gradient norm in training: mean, lowest and highest over the runs of `arm`, at iterations that all have.

    Runs that failed are left out.
    """
    by_run: dict[str, list[Row]] = {}
    for row in curves:
        if measured(row["grad_norm"]):
            by_run.setdefault(row["run"], []).append(row)
    runs = [row["run"] for row in results if row["arm"] == arm and not failed(row)]
    measured_runs = [by_run[run] for run in runs if run in by_run]
    common = (
        set.intersection(*({row["iteration"] for row in rows} for rows in measured_runs)) if measured_runs else set()
    )
    return curve([[row for row in rows if row["iteration"] in common] for rows in measured_runs], "grad_norm", 1.0)


def sketch_gradient_norm(results: Results) -> Sketch | None:
    """The gradient norm in training, of networks whose masks are fixed and of those whose masks change."""
    rows, curves = results["results"], results["curves"]
    lines = {arm: line for arm in dict.fromkeys((*FIXED, *CHANGING)) if (line := norms(rows, curves, arm))}
    if not lines:
        return None
    panels = {"mask fixed": [arm for arm in FIXED if arm in lines]}
    if any(arm in METHODS and arm != "small_dense" for arm in lines):
        panels["mask changes in training"] = [arm for arm in CHANGING if arm in lines]
    figure, [across] = new_figure(1, len(panels), 3.1, sharey=True)
    first = min(iteration for line in lines.values() for iteration in line if iteration > 0)
    for axes, (title, arms) in zip(across, panels.items(), strict=True):
        for arm in arms:
            plot_line(axes, arm, lines[arm])
        axes.set_title(title, loc="left")
        log_iterations(axes, first, max(max(line) for line in lines.values()))
    log_axis(across[0], [mean for line in lines.values() for mean, _, _ in line.values()])
    across[0].set_ylabel("gradient norm")
    legend_above(figure, [handle(arm, paper_name(arm), marker=False) for arm in lines])
    caption = (
        "The L2 norm of the gradient of the training loss with respect to the unmasked weights and the biases, on 1,000"
        f" fixed training examples, in the course of training. Both axes are logarithmic, with iteration 0 at the left."
        f" {ONE_MASK if masks_in(rows) == 1 else ''}Lines are means over runs"
        f"{'' if masks_in(rows) == 1 else f' of {masks_in(rows)} masks'}; bands reach from the lowest to the highest. "
    )
    starts = "; ".join(f"{paper_name(arm)}: {line[min(line)][0]:.3g} at the start" for arm, line in lines.items())
    return Sketch("evci2022_gradient_norm", "Gradient norm in training", caption, starts + ".", figure)


def plot_line(axes: Axes, arm: str, line: Curve) -> None:
    """Draws the mean of `line` and its band."""
    style = style_of(arm)
    mean, low, high = zip(*line.values(), strict=True)
    axes.plot(list(line), mean, color=style.colour, linestyle=style.dashes, linewidth=1.0)
    axes.fill_between(list(line), low, high, color=style.colour, alpha=0.12, linewidth=0)


def sketch_updates(rows: Sequence[Row]) -> Sketch | None:
    """The change of the gradient norm at each change of a mask; None without masks that change."""
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    if not arms:
        return None
    figure, [[axes]] = new_figure(1, 1, 2.75)
    words = []
    for arm in arms:
        changes, style = [row for row in rows if row["arm"] == arm], style_of(arm)
        gains = [row["after"] - row["before"] for row in changes]
        iterations = [row["iteration"] for row in changes]
        axes.plot(iterations, gains, color=style.colour, marker=style.marker, linestyle="", markersize=3)
        words.append(f"{arm}: it rises at {sum(gain > 0 for gain in gains)} of {len(gains)} changes")
    axes.axhline(0, color="#333333", linewidth=0.8)
    count_axis(axes.xaxis, 6)
    axes.set_xlabel("iteration")
    axes.set_ylabel("gradient norm, after - before")
    legend_above(figure, [handle(arm, arm) for arm in arms])
    caption = (
        "The gradient norm right after a change of the mask minus that right before it, in the first run of each arm."
        f" Above zero the gradient flow improves. {'; '.join(words)}."
    )
    return Sketch("evci2022_updates", "Gradient norm and mask updates", caption, "; ".join(words) + ".", figure)
