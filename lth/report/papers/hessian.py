"""The Hessian's spectrum before and after a change of a mask (Evci et al. 2022), from rows alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lth.analysis.curvature import Spectrum
from lth.core.tables import Row
from lth.report.figures.axes import legend_above, new_figure
from lth.report.figures.drawing import Sketch

LOOKS: dict[str, tuple[str, str, Any]] = {"before": ("#D55E00", "s", (0, (4, 1.5))), "after": ("#0072B2", "o", "-")}
"""Colour, marker and dashes of each moment."""
FLOOR = 1e-4
"""Of the density's axis, as a share of its top: less is one eigenvalue's tail."""


def sketch_spectrum(rows: Sequence[Row]) -> Sketch | None:
    """The density of all eigenvalues, and the smallest ones by rank; None without any."""
    if not rows:
        return None
    moments = list(dict.fromkeys(row["moment"] for row in rows))
    figure, [[whole, smallest]] = new_figure(1, 2, 2.9)
    spectra = {moment: spectrum_of(rows, moment) for moment in moments}
    _plot_density(whole, spectra)
    words = []
    for moment, found in spectra.items():
        colour, marker, dashes = LOOKS[moment]
        ends = {
            kind: [row["eigenvalue"] for row in rows if row["moment"] == moment and row["kind"] == kind]
            for kind in ("smallest", "largest")
        }
        ranks = range(1, len(ends["smallest"]) + 1)
        smallest.plot(ranks, ends["smallest"], color=colour, marker=marker, linestyle=dashes, markersize=3.5)
        negative = 100 * float(found.weights[found.nodes < 0].sum())
        words.append(
            f"{moment}: from {ends['smallest'][0]:.3g} to {ends['largest'][0]:.3g}, {negative:.0f}% are negative"
        )
    whole.set_title("all eigenvalues", loc="left")
    smallest.set_title("the smallest ones", loc="left")
    smallest.axhline(0, color="#333333", linewidth=0.8)
    smallest.set_xlabel("rank")
    smallest.set_ylabel("eigenvalue")
    smallest.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle=dashes, label=moment)
        for moment, (colour, marker, dashes) in LOOKS.items()
        if moment in moments
    ]
    legend_above(figure, handles)
    first = rows[0]
    caption = (
        "Eigenvalues of the Hessian of the training loss on fixed training examples, over the weights that are left and"
        f" the biases, of the first run of {first['arm']} right before and right after the change of its mask at"
        f" iteration {first['iteration']:,}. Left: their density by Lanczos quadrature, smoothed, on a logarithmic"
        " axis; the heights of lone peaks are rough estimates. The more negative ones, the more ways lead down. "
    )
    text = "; ".join(words) + "."
    return Sketch("evci2022_spectrum", "Hessian before and after a mask update", caption + text, text, figure)


def spectrum_of(rows: Sequence[Row], moment: str) -> Spectrum:
    """The nodes and their weights at `moment`; how many eigenvalues there are is not asked of it."""
    nodes = [row for row in rows if row["moment"] == moment and row["kind"] == "node"]
    values, weights = (
        np.array([row[column] for row in nodes], dtype=np.float64) for column in ("eigenvalue", "weight")
    )
    return Spectrum(values, weights, 0)


def _plot_density(axes: Axes, spectra: dict[str, Spectrum]) -> None:
    """Smoothed with one width for all, so that they can be compared."""
    width = max(found.width for found in spectra.values())
    grids = [found.grid() for found in spectra.values()]
    grid = np.linspace(min(grid[0] for grid in grids), max(grid[-1] for grid in grids), 2_000)
    tops = []
    for moment, found in spectra.items():
        colour, _, dashes = LOOKS[moment]
        density = found.density(grid, width)
        tops.append(density.max())
        axes.plot(grid, density, color=colour, linestyle=dashes, linewidth=1.1)
    axes.set_yscale("log")
    axes.set_ylim(FLOOR * max(tops), 2 * max(tops))
    axes.set_xlabel("eigenvalue")
    axes.set_ylabel("density")
