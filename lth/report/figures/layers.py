"""How the weights that are left are spread over the layers, level by level."""

import math
from collections.abc import Sequence

from matplotlib import colormaps

from lth.core.tables import Row
from lth.report.figures.axes import PAGE_WIDTH, STYLES, density_axis, log_axis, new_figure
from lth.report.figures.drawing import Sketch
from lth.report.results import Results
from lth.report.statistics import densities, percent

LABELLED_LAYERS = 26  # as many as the legend has room for


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


def sketch_layers(results: Results) -> Sketch | None:
    """Density of each layer of the ticket against that of the network; None without two levels."""
    lines, levels = layer_lines(results["layers"]), densities(results["results"])
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
        "Density of each prunable layer of the ticket against the density of the network, both on logarithmic axes."
        " Layers above the thin line keep more weights than the average. Layers whose densities agree within 2% at"
        " every level share a line; a line that ends early belongs to a layer with no weights left."
    )
    alt = "Density of layers by density of the network. " + "; ".join(
        f"{name}: {_at(line, levels, min(line))}, {_at(line, levels, max(line))}" for name, line in lines.items()
    )
    return Sketch("layers", "Density by layer", caption, alt, figure)


def _at(line: dict[int, float], levels: dict[int, float], level: int) -> str:
    """The density of a layer at one level, and that of the network there, in percent."""
    return f"{percent(line[level])}% at {percent(levels[level])}%"
