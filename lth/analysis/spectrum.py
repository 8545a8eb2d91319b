"""A density of eigenvalues, as measured and smoothed. Imports no torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Spectrum:
    """A density of `size` eigenvalues as weighted points: `nodes` and `weights`, float64; the weights sum to 1."""

    nodes: Vector
    weights: Vector
    size: int

    def trace(self, power: int = 1) -> float:
        """The estimate of trace(H^power): the number of eigenvalues times their mean `power`-th power."""
        return float(self.size * (self.weights @ self.nodes**power))

    @property
    def width(self) -> float:
        """The default width of smoothing: sqrt(1e-5) of the range of the nodes (Ghorbani et al. 2019)."""
        return float(np.sqrt(1e-5) * (np.ptp(self.nodes) or np.abs(self.nodes).max() or 1.0))

    def grid(self, points: int = 1_000) -> Vector:
        """Evenly spaced eigenvalues, five widths beyond the outermost nodes."""
        return np.linspace(self.nodes.min() - 5 * self.width, self.nodes.max() + 5 * self.width, points)

    def density(self, grid: Vector, width: float | None = None) -> Vector:
        """The density at each eigenvalue of `grid`, per unit of eigenvalue: its integral is 1.

        Every node is smoothed to a Gaussian of standard deviation `width` (None: the property `width`).
        """
        width = self.width if width is None else width
        bells = np.exp(-np.square((grid[:, None] - self.nodes) / width) / 2)
        return np.asarray(bells @ self.weights / (width * np.sqrt(2 * np.pi)))
