"""The spectrum of the Hessian before and after a change of a mask: a figure of Evci et al. 2022."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from lth.analysis.spectrum import Spectrum
from lth.core.tables import Row
from lth.report.figures.axes import legend_above, new_figure
from lth.report.figures.drawing import Sketch

STYLES: dict[str, tuple[str, str, Any]] = {"before": ("#D55E00", "s", (0, (4, 1.5))), "after": ("#0072B2", "o", "-")}
"""Moment -> colour, marker and dashes."""
FLOOR = 1e-4
"""The bottom of the density's axis, as a share of its top: below lies the tail of a single eigenvalue."""


def sketch_spectrum(rows: Sequence[Row]) -> Sketch | None:
    """The density of all eigenvalues, and the smallest ones by rank; None without any."""
    if not rows:
        return None
    moments = list(dict.fromkeys(row["moment"] for row in rows))
    figure, [[density, smallest]] = new_figure(1, 2, 2.9)
    spectra = {moment: spectrum_of(rows, moment) for moment in moments}
    _plot_density(density, spectra)
    words = []
    for moment, spectrum in spectra.items():
        colour, marker, dashes = STYLES[moment]
        ends = {
            kind: [row["eigenvalue"] for row in rows if row["moment"] == moment and row["kind"] == kind]
            for kind in ("smallest", "largest")
        }
        ranks = range(1, len(ends["smallest"]) + 1)
        smallest.plot(ranks, ends["smallest"], color=colour, marker=marker, linestyle=dashes, markersize=3.5)
        negative = 100 * float(spectrum.weights[spectrum.nodes < 0].sum())
        words.append(
            f"{moment}: from {ends['smallest'][0]:.3g} to {ends['largest'][0]:.3g}, {negative:.0f}% are negative"
        )
    density.set_title("all eigenvalues", loc="left")
    smallest.set_title("the smallest ones", loc="left")
    smallest.axhline(0, color="#333333", linewidth=0.8)
    smallest.set_xlabel("rank")
    smallest.set_ylabel("eigenvalue")
    smallest.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle=dashes, label=moment)
        for moment, (colour, marker, dashes) in STYLES.items()
        if moment in moments
    ]
    legend_above(figure, handles)
    first = rows[0]
    caption = (
        "Eigenvalues of the Hessian of the training loss on fixed training examples, with respect to the unmasked"
        f" weights and the biases, in the first run of {first['arm']} right before and right after the change of its"
        f" mask at iteration {first['iteration']:,}. Left: their density by Lanczos quadrature, smoothed, on a"
        " logarithmic axis; the heights of isolated peaks are rough estimates. More negative eigenvalues mean more"
        " directions in which the loss can fall. "
    )
    text = "; ".join(words) + "."
    return Sketch("evci2022_spectrum", "Hessian before and after a mask update", caption + text, text, figure)


def spectrum_of(rows: Sequence[Row], moment: str) -> Spectrum:
    """The nodes and their weights at `moment`; the number of eigenvalues is not known from rows, so it is 0."""
    nodes = [row for row in rows if row["moment"] == moment and row["kind"] == "node"]
    values, weights = (
        np.array([row[column] for row in nodes], dtype=np.float64) for column in ("eigenvalue", "weight")
    )
    return Spectrum(values, weights, 0)


def _plot_density(axes: Axes, spectra: dict[str, Spectrum]) -> None:
    """Draws the densities, all smoothed with the same width so that they can be compared."""
    width = max(spectrum.width for spectrum in spectra.values())
    grids = [spectrum.grid() for spectrum in spectra.values()]
    grid = np.linspace(min(grid[0] for grid in grids), max(grid[-1] for grid in grids), 2_000)
    tops = []
    for moment, spectrum in spectra.items():
        colour, _, dashes = STYLES[moment]
        density = spectrum.density(grid, width)
        tops.append(density.max())
        axes.plot(grid, density, color=colour, linestyle=dashes, linewidth=1.1)
    axes.set_yscale("log")
    axes.set_ylim(FLOOR * max(tops), 2 * max(tops))
    axes.set_xlabel("eigenvalue")
    axes.set_ylabel("density")
