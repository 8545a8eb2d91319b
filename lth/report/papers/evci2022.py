"""The figures of Evci et al. 2022 within one mask, from the rows of a job of `lth gradient_flow` and nothing else."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from lth.flow.runs import INITS, MEANINGS, METHODS
from lth.report.figures.axes import ArmStyle, Sketch, arm_style, density_axis, legend_above, log_axis, new_figure
from lth.report.figures.curves import Curve, curve
from lth.report.figures.replicate import Drawn, drawing, write_sketch
from lth.report.seeds.intervals import t_interval
from lth.report.statistics import arms_of, measured
from lth.report.tables import Row
from lth.tickets.arms import meaning

STILL = ("pruned", "ticket", "reinit", "reinit_plus", "restart", "small_dense")
MOVING = ("reinit", "reinit_plus", "set", "set_plus", "rigl", "rigl_plus")
LOOKS = {
    "pruned": ArmStyle("#333333", "X", "-"),
    "pruned_other_seeds": ArmStyle("#333333", "p", (0, (3, 1))),
    "reinit_other_inits": ArmStyle("#E69F00", "s", (0, (1, 1))),
    "dense": ArmStyle("#D55E00", "s", (0, (4, 1.5))),
    "layer_scaled": ArmStyle("#009E73", "^", (0, (5, 1.5, 1, 1.5))),
    "sparsity_aware": ArmStyle("#0072B2", "o", "-"),
}
ORDER_ALONE = "Runs of one mask that differ in their data order alone: bars and bands say nothing of other masks. "


def look(name: str) -> ArmStyle:
    """How an arm or an initialiser looks in these figures."""
    return LOOKS.get(name) or arm_style(name)


def paper_name(arm: str) -> str:
    """`arm` as the paper calls it, where it is a row of its table."""
    return next((init for init, own in INITS.items() if own == arm), arm)


def draw_flow(
    folder: Path, results: Sequence[Row], curves: Sequence[Row], looks: Mapping[str, list[Row]]
) -> list[Drawn]:
    """Draws the paper's figures into `folder`, each as PNG and PDF, the main one first; none without anything seen.

    looks: the rows of `lines`, `signal`, `map` and `updates`, as `lth.flow.looks` gives them.
    """
    with drawing():
        sketches = (
            sketch_accuracy(results),
            sketch_signal(looks["signal"]),
            sketch_gradient_norm(results, curves),
            sketch_updates(looks["updates"]),
            sketch_lines(looks["lines"]),
            sketch_map(looks["map"]),
        )
        return [write_sketch(folder, sketch) for sketch in sketches if sketch]


def handle(name: str, label: str, marker: bool = True) -> Line2D:
    """The legend's entry for `name`."""
    style = look(name)
    mark = style.marker if marker else ""
    return Line2D([], [], color=style.colour, marker=mark, linestyle=style.dashes, linewidth=style.width, label=label)


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
            axes.hlines(place, seen.low, seen.high, color=style.colour, linewidth=1.3)
        axes.plot([seen.mean], [place], style.marker, color=style.colour)
        words.append(f"{paper_name(arm)} {seen.mean:.2f}% (n = {seen.n})")
    axes.set_yticks(range(len(accuracies)), [paper_name(arm) for arm in accuracies])
    axes.invert_yaxis()
    lowest = min(min(values) for values in accuracies.values())
    highest = max(max(values) for values in accuracies.values())
    margin = 0.06 * max(highest - lowest, 0.1)
    axes.set_xlim(lowest - margin, highest + margin)
    axes.set_xlabel("final test accuracy (%)")
    caption = (
        "Final test accuracy of every way to train the sparse network: each run a stroke, the mean a marker, bars "
    )
    caption += f"95% t intervals, cut at the edge of the panel. {ORDER_ALONE}"
    caption += "; ".join(f"{paper_name(arm)}: {about(arm)}" for arm in accuracies) + "."
    return Sketch("evci2022_accuracy", "Accuracy of all methods", caption, "; ".join(words) + ".", figure)


def about(arm: str) -> str:
    """What `arm` is, in words."""
    return (MEANINGS.get(arm) or meaning(arm)).replace("mask of IMP", "pruned solution's mask")


def sketch_signal(rows: Sequence[Row]) -> Sketch | None:
    """The spread of the logits at initialisation against sparsity, by initialiser."""
    if not rows:
        return None
    figure, [[axes]] = new_figure(1, 1, 2.75)
    ends = []
    for init in dict.fromkeys(row["init"] for row in rows):
        by_density: dict[float, list[float]] = {}
        for row in rows:
            if row["init"] == init:
                by_density.setdefault(1 - row["sparsity"], []).append(row["std"])
        x, style = [100 * density for density in by_density], look(init)
        means = [sum(stds) / len(stds) for stds in by_density.values()]
        low, high = ([end(stds) for stds in by_density.values()] for end in (min, max))
        axes.plot(x, means, color=style.colour, marker=style.marker, linestyle=style.dashes)
        axes.fill_between(x, low, high, color=style.colour, alpha=0.18, linewidth=0)
        ends.append(f"{init}: {means[0]:.3g} dense, {means[-1]:.3g} at the sparsest")
    density_axis(axes, {1 - row["sparsity"] for row in rows})
    log_axis(axes, [row["std"] for row in rows])
    axes.set_ylabel("std of the logits at initialisation")
    legend_above(figure, [handle(init, init) for init in dict.fromkeys(row["init"] for row in rows)])
    draws = 1 + max(row["draw"] for row in rows)
    caption = (
        "How a signal passes through the untrained network: the standard deviation of all logits for 1,000 inputs of"
        " N(0, 1) pixels, against the share of weights that a random mask leaves, the same in each layer. dense: the"
        " network's own initialiser; layer_scaled: the same over the root of the layer's density (Liu et al. 2019);"
        f" sparsity_aware: N(0, 2 / the inputs that are left of each unit). Means over {draws} draws of weights and"
        " mask, bands from the lowest to the highest. Both axes are logarithmic. "
    )
    return Sketch("evci2022_signal", "Signal propagation", caption, "; ".join(ends) + ".", figure)


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
    axes.set_xlabel("iteration")
    axes.set_ylabel("gradient norm after less before")
    legend_above(figure, [handle(arm, arm) for arm in arms])
    caption = "The gradient norm right after a change of the mask less that right before, of the first run of each arm;"
    caption += f" above zero the new mask lets more gradient through. {'; '.join(words)}."
    return Sketch("evci2022_updates", "Gradient norm and mask updates", caption, "; ".join(words) + ".", figure)


def sketch_lines(rows: Sequence[Row]) -> Sketch | None:
    """The loss on the straight line from start and end of lottery and scratch to the pruned solution."""
    if not rows:
        return None
    splits = list(dict.fromkeys(row["split"] for row in rows))
    names = list(dict.fromkeys((row["init"], row["at"]) for row in rows))
    figure, [across] = new_figure(1, len(splits), 2.9, sharey=True)
    for axes, split in zip(across, splits, strict=True):
        for init, at in names:
            own = [row for row in rows if (row["init"], row["at"], row["split"]) == (init, at, split)]
            x, y = [row["alpha"] for row in own], [row["loss"] for row in own]
            axes.plot(x, y, color=look(INITS[init]).colour, linestyle=dashes(at), linewidth=1.3)
        for end in (0, 1):
            axes.axvline(end, color="#333333", linewidth=0.6)
        axes.set_title(split, loc="left")
        axes.set_xlabel("alpha: 0 the network, 1 the pruned solution")
    log_axis(across[0], [row["loss"] for row in rows if measured(row["loss"])])
    across[0].set_ylabel("loss")
    handles = [
        Line2D([], [], color=look(INITS[init]).colour, linestyle=dashes(at), label=f"{init} {at}") for init, at in names
    ]
    legend_above(figure, handles)
    caption = (
        "Loss on the straight line between a network (alpha 0) and the pruned solution (alpha 1), both under its mask:"
        " from the start (dashed) and the end (solid) of the first run of each. Without a barrier two networks lie in"
        " one basin. The loss axis is logarithmic. "
    )
    at_half = [row for row in rows if row["split"] == splits[-1] and row["alpha"] == 0.5]
    alt = "; ".join(f"{row['init']} {row['at']}: {row['loss']:.3g} half way on {row['split']}" for row in at_half)
    return Sketch("evci2022_interpolation", "Interpolation to the pruned solution", caption, alt + ".", figure)


def dashes(at: str) -> Any:
    """Starts are dashed, ends solid."""
    return (0, (4, 1.5)) if at == "start" else "-"


def sketch_map(rows: Sequence[Row]) -> Sketch | None:
    """Start and end points in the plane; None where there are too few to have a shape."""
    if len(rows) < 3:
        return None
    figure, [[axes]] = new_figure(1, 1, 2.6)
    handles = []
    for point in dict.fromkeys(row["point"] for row in rows):
        own = [row for row in rows if row["point"] == point]
        mark: dict[str, Any] = {"marker": "X" if point == "pruned_end" else "o" if point.endswith("end") else "s"}
        mark |= {
            "color": look(INITS[point.rsplit("_", 1)[0]]).colour,
            "linestyle": "",
            "markersize": 8 if point == "pruned_end" else 5,
        }
        mark |= {"markerfacecolor": "white"} if point.endswith("start") else {}
        axes.plot([row["x"] for row in own], [row["y"] for row in own], **mark)
        handles.append(Line2D([], [], **mark, label=point.replace("_", " ")))
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("units of the weights")
    figure.legend(handles=handles, loc="outside right upper")
    caption = (
        "Where runs start (hollow) and end, in the plane: the distances of the points are as near as they get to the L2"
        f" distances of the weights that are left (metric multidimensional scaling, stress {rows[0]['stress']:.2g})."
    )
    places = "; ".join(f"{row['point']} at ({row['x']:.2g}, {row['y']:.2g})" for row in rows if row["draw"] == 0)
    return Sketch("evci2022_map", "Start and end points", caption, places + ".", figure)
