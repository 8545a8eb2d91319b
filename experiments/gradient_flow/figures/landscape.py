"""Signal propagation, lines to the pruned solution, and the map: three figures of Evci et al. 2022."""

from collections.abc import Sequence
from typing import Any

from matplotlib.lines import Line2D

from lth.core.tables import Row
from lth.report.figures.axes import density_axis, legend_above, log_axis, new_figure
from lth.report.figures.drawing import Sketch
from lth.report.statistics import mean, measured

from ..arms import INITS
from .styles import handle, style_of


def sketch_signal(rows: Sequence[Row]) -> Sketch | None:
    """The standard deviation of the logits at initialisation against sparsity, by initialiser."""
    if not rows:
        return None
    figure, [[axes]] = new_figure(1, 1, 2.75)
    ends, positive = [], [row["std"] for row in rows if row["std"] > 0]
    below = min(positive, default=1.0) / 100  # a network with a constant output has no place on a logarithmic axis
    for init in dict.fromkeys(row["init"] for row in rows):
        by_density: dict[float, list[float]] = {}
        for row in rows:
            if row["init"] == init:
                by_density.setdefault(1 - row["sparsity"], []).append(row["std"])
        x, style = [100 * density for density in by_density], style_of(init)
        means = [sum(stds) / len(stds) for stds in by_density.values()]
        low, high = ([max(end(stds), below) for stds in by_density.values()] for end in (min, max))
        axes.plot(x, means, color=style.colour, marker=style.marker, linestyle=style.dashes)
        axes.fill_between(x, low, high, color=style.colour, alpha=0.18, linewidth=0)
        ends.append(f"{init}: {means[0]:.3g} dense, {means[-1]:.3g} at the sparsest")
    density_axis(axes, {1 - row["sparsity"] for row in rows})
    log_axis(axes, positive)
    axes.set_ylim(bottom=min(positive, default=1.0) / 2)
    axes.set_ylabel("std of the logits at initialisation")
    legend_above(figure, [handle(init, init) for init in dict.fromkeys(row["init"] for row in rows)])
    draws = 1 + max(row["draw"] for row in rows)
    caption = (
        "Signal propagation in the untrained network: the standard deviation of all logits for 1,000 inputs with N(0,"
        " 1) pixels, against the percentage of weights that a random mask keeps, the same in every layer. dense: the"
        " initialiser of the network; layer_scaled: the same over the root of the layer's density (Liu et al. 2019);"
        " sparsity_aware: N(0, 2 / unmasked fan-in of each unit); sparsity_aware_glorot: Glorot's uniform formula with"
        f" the unmasked fans. Lines are means over {draws} draws of weights and mask, bands reach from the lowest to"
        " the highest. Both axes are logarithmic. "
    )
    if len(positive) < len(rows):
        constant = len(rows) - len(positive)
        caption += f"{constant} of {len(rows)} networks have a constant output: their bands reach the bottom. "
    return Sketch("evci2022_signal", "Signal propagation", caption, "; ".join(ends) + ".", figure)


def sketch_lines(rows: Sequence[Row]) -> Sketch | None:
    """The loss on the straight line from start and end of lottery and scratch to the pruned solution."""
    if not rows:
        return None
    splits = list(dict.fromkeys(row["split"] for row in rows))
    names = list(dict.fromkeys((row["init"], row["at"]) for row in rows))
    drawn = list(dict.fromkeys((row["init"], row["at"], row["draw"]) for row in rows))
    figure, [across] = new_figure(1, len(splits), 2.9, sharey=True)
    for axes, split in zip(across, splits, strict=True):
        for init, at, draw in drawn:
            points = [
                row for row in rows if (row["init"], row["at"], row["draw"], row["split"]) == (init, at, draw, split)
            ]
            x, y = [row["alpha"] for row in points], [row["loss"] for row in points]
            axes.plot(x, y, color=style_of(INITS[init]).colour, linestyle=dashes(at), linewidth=0.9)
        for end in (0, 1):
            axes.axvline(end, color="#333333", linewidth=0.6)
        axes.set_title(split, loc="left")
        axes.set_xlabel("alpha: 0 the network, 1 the pruned solution")
    log_axis(across[0], [row["loss"] for row in rows if measured(row["loss"])])
    across[0].set_ylabel("loss")
    handles = [
        Line2D([], [], color=style_of(INITS[init]).colour, linestyle=dashes(at), label=f"{init} {at}")
        for init, at in names
    ]
    legend_above(figure, handles)
    caption = (
        "Loss on the straight line between a network (alpha = 0) and the pruned solution (alpha = 1), both under the"
        " mask of the latter. The network is the start (dashed) or the end (solid) of a run. Where there is no barrier,"
        " the two networks lie in the same basin. The loss axis is logarithmic. "
    )
    at_half = [row for row in rows if row["split"] == splits[-1] and row["alpha"] == 0.5]
    means = {name: mean(row["loss"] for row in at_half if (row["init"], row["at"]) == name) for name in names}
    alt = "; ".join(
        f"{init} {at}: {value:.3g} half way on {splits[-1]}" for (init, at), value in means.items() if value is not None
    )
    return Sketch("evci2022_interpolation", "Interpolation to the pruned solution", caption, alt + ".", figure)


def dashes(at: str) -> Any:
    """The line style of starts, dashed, and of ends, solid."""
    return (0, (4, 1.5)) if at == "start" else "-"


def sketch_map(rows: Sequence[Row]) -> Sketch | None:
    """Start and end points in the plane; None where there are too few to have a shape."""
    if len(rows) < 3:
        return None
    figure, [[axes]] = new_figure(1, 1, 2.6)
    handles = []
    for point in dict.fromkeys(row["point"] for row in rows):
        places = [row for row in rows if row["point"] == point]
        mark: dict[str, Any] = {"marker": "X" if point == "pruned_end" else "o" if point.endswith("end") else "s"}
        mark |= {
            "color": style_of(INITS[point.rsplit("_", 1)[0]]).colour,
            "linestyle": "",
            "markersize": 8 if point == "pruned_end" else 5,
        }
        mark |= {"markerfacecolor": "white"} if point.endswith("start") else {}
        axes.plot([row["x"] for row in places], [row["y"] for row in places], **mark)
        handles.append(Line2D([], [], **mark, label=point.replace("_", " ")))
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("units of the weights")
    figure.legend(handles=handles, loc="outside right upper")
    caption = (
        "The starts (hollow) and ends of runs in the plane. Distances between points approximate the L2 distances of"
        f" the unmasked weights (metric multidimensional scaling, stress {rows[0]['stress']:.2g})."
    )
    alt = "; ".join(f"{row['point']} at ({row['x']:.2g}, {row['y']:.2g})" for row in rows if row["draw"] == 0)
    return Sketch("evci2022_map", "Start and end points", caption, alt + ".", figure)
