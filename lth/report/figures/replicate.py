"""Figures of one replicate, at the size of a paper's page: drawn from the rows of its tables and from nothing else."""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib import colormaps

from lth.core.tables import Row
from lth.report.figures.axes import (
    PAGE_WIDTH,
    STYLES,
    about_draws,
    arm_handle,
    arm_style,
    arms_with,
    censored_handle,
    count_axis,
    density_axis,
    legend_above,
    log_axis,
    new_figure,
    plot_band,
    summarize,
)
from lth.report.figures.curves import sketch_curves
from lth.report.figures.drawing import Drawn, Sketch, drawing, write_sketch
from lth.report.figures.probes import sketch_probes
from lth.report.statistics import accuracy_column, arms_of, at, densities, measured, percent
from lth.training.gradient import EXAMPLES

LABELLED_LAYERS = 26  # as many as the legend has room for


def draw_replicate(
    folder: Path, results: list[Row], layers: list[Row], curves: list[Row], probes: Sequence[Row] = ()
) -> list[Drawn]:
    """Draws what one replicate shows into `folder`, each figure as PNG and PDF; what was drawn, the main one first.

    Figures against density need two levels. What was not measured is left out: no figure has an empty panel, and a
    replicate that diverged at once has none. The same rows give the same bytes.
    """
    with drawing():
        accuracy, trained = sketch_accuracy(results), sketch_curves(results, curves)
        norms, densities = sketch_gradient_norm(results), sketch_layers(results, layers)
        sketches = (accuracy, trained, norms, sketch_probes(results, probes), densities)
        return [write_sketch(folder, sketch) for sketch in sketches if sketch]


def sketch_accuracy(results: Sequence[Row]) -> Sketch | None:
    """Test accuracy and early-stop iteration against density; None without two densities or any accuracy.

    Without a validation split there is no early stop: the accuracy is then that at the end of training, alone.
    """
    column, levels = accuracy_column(results), densities(results)
    arms = arms_with(results, column)
    if len(levels) < 2 or not arms:
        return None
    early = column.startswith("early_stop")
    label = "test accuracy at early stop (%)" if early else "final test accuracy (%)"
    figure, [panels] = new_figure(1, 2 if early else 1, 2.75)
    pairs = [(column, label, 100.0), ("early_stop_iteration", "early-stop iteration", 1.0)]
    for axes, (name, text, factor) in zip(panels, pairs, strict=False):
        dense = at(results, 0, "ticket", name)
        if dense is not None:
            axes.axhline(factor * dense, color=STYLES["dense"].colour, linewidth=STYLES["dense"].width)
        for arm in reversed(arms):  # the ticket, drawn last, lies on top
            plot_band(axes, arm_style(arm), summarize(results, arm, name, factor))
        density_axis(axes, levels.values())
        axes.set_ylabel(text)
    if early:
        panels[1].set_ylim(bottom=0)
        count_axis(panels[1].yaxis, 6)
    handles = [*(arm_handle(arm) for arm in arms), arm_handle("dense", marker=False)]
    if any(row["early_stop_censored"] for row in results):
        handles.append(censored_handle())
    legend_above(figure, handles)
    title = "Accuracy and speed of learning" if early else "Accuracy"
    return Sketch("accuracy", title, _about_accuracy(results, early), _values(results), figure)


def _about_accuracy(results: Sequence[Row], early: bool) -> str:
    what = "at the early stop (left) and the iteration of the early stop (right)" if early else "at the end of training"
    caption = (
        f"Test accuracy {what} against the share of prunable weights that are left: dense on the left, sparser to the"
        " right, on a logarithmic axis. The thin line is the dense network of the same seed. "
    )
    caption += about_draws(results)
    if early:
        caption += "The early stop is the evaluation with the lowest validation loss, found after full training. "
    if any(row["early_stop_censored"] for row in results):
        caption += "Hollow: the early stop of a draw lies in the last 5% of training, so the minimum may come later. "
    return caption


def _values(results: Sequence[Row]) -> str:
    """The accuracies of the dense network and of every arm at the sparsest level, in words."""
    column, last = accuracy_column(results), max(row["level"] for row in results)
    shown = [(arm, at(results, last, arm, column)) for arm in arms_of(results)]
    words = ", ".join(f"{arm} {100 * value:.1f}%" for arm, value in shown if value is not None)
    dense = at(results, 0, "ticket", column)
    text = f"Lines of test accuracy against weights left for {', '.join(arms_of(results))}."
    text += f" Dense: {100 * dense:.1f}%." if dense is not None else ""
    return text + (f" At {percent(densities(results)[last])}% of the weights: {words}." if words else "")


def sketch_gradient_norm(results: Sequence[Row]) -> Sketch | None:
    """Gradient norm at the start and at the end of training against density; None where it was not looked at."""
    sides = [("grad_norm_init", "at the start"), ("grad_norm_end", "at the end")]
    sides = [side for side in sides if any(measured(row[side[0]]) and row[side[0]] > 0 for row in results)]
    arms = arms_with(results, *(column for column, _ in sides))
    if not sides or len(densities(results)) < 2:
        return None
    figure, [panels] = new_figure(1, len(sides), 2.75)
    for axes, (column, when) in zip(panels, sides, strict=True):
        for arm in reversed(arms):
            plot_band(axes, arm_style(arm), summarize(results, arm, column))
        density_axis(axes, densities(results).values())
        log_axis(axes, [row[column] for row in results if measured(row[column])])
        axes.set_ylabel(f"gradient norm {when}")
    legend_above(figure, [arm_handle(arm) for arm in arms])
    caption = (
        "L2 norm of the gradient of the training loss in all weights that are left, biases and norm parameters, on"
        f" {EXAMPLES:,} fixed training examples, before the first iteration and after the last. Both axes are"
        " logarithmic. "
    )
    caption += about_draws(results)
    alt = f"Lines of gradient norm against weights left for {', '.join(arms)}."
    return Sketch("gradient_norm", "Gradient norm", caption, alt, figure)


def layer_lines(layers: Sequence[Row]) -> dict[str, dict[int, float]]:
    """Name -> density by level of the ticket's layers, in their order; layers within 2% of another share its line."""
    by_layer: dict[str, dict[int, float]] = {}
    for row in layers:
        if row["arm"] == "ticket":
            by_layer.setdefault(row["layer"], {})[row["level"]] = row["density"]
    groups: list[list[str]] = []
    for name, line in by_layer.items():
        for group in groups:
            if all(abs(by_layer[group[0]][level] - density) <= 0.02 * density for level, density in line.items()):
                group.append(name)
                break
        else:
            groups.append([name])
    labels = [", ".join(group) if len(group) < 3 else f"{group[0]} and {len(group) - 1} more" for group in groups]
    return {label: by_layer[group[0]] for label, group in zip(labels, groups, strict=True)}


def sketch_layers(results: Sequence[Row], layers: Sequence[Row]) -> Sketch | None:
    """Density of each layer of the ticket against that of the network; None without two levels."""
    lines, levels = layer_lines(layers), densities(results)
    if not lines or len(levels) < 2:
        return None
    every = math.ceil(len(lines) / LABELLED_LAYERS)
    figure, [[axes]] = new_figure(1, 1, max(2.75, 0.6 + 0.135 * (len(lines) // every)))
    figure.set_figwidth(0.75 * PAGE_WIDTH)
    whole = [100 * density for density in levels.values()]
    axes.plot(whole, whole, color=STYLES["dense"].colour, linewidth=STYLES["dense"].width, label=" whole network")
    for index, (name, line) in enumerate(lines.items()):
        x, y = [100 * levels[level] for level in line], [100 * density for density in line.values()]
        colour = colormaps["viridis"](0.85 * index / max(1, len(lines) - 1))  # by depth, from dark to light
        label = "_" if index % every else f" {name}"  # matplotlib leaves out what begins with _
        axes.plot(x, y, color=colour, marker="os^DvPX"[index % 7], markersize=3.2, linewidth=1.1, label=label)
    density_axis(axes, levels.values())
    log_axis(axes, [100 * density for line in lines.values() for density in line.values()])
    axes.set_xlabel("weights left in the network (%)")
    axes.set_ylabel("weights left in the layer (%)")
    title = "layer" if every == 1 else f"layer (one of {every} named)"
    figure.legend(loc="outside right upper", title=title, alignment="left", fontsize=7)
    caption = (
        "Share of its weights that the ticket keeps in each prunable layer, against the share in the whole network."
        " Both axes are logarithmic. Above the thin line a layer keeps more than the average. Layers that agree within"
        " 2% at every level share a line; a line that ends early is a layer with no weight left."
    )
    alt = f"Lines of layer density against network density for {', '.join(lines)}."
    return Sketch("layers", "Density by layer", caption, alt, figure)
