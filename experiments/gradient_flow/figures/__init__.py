"""The figures of Evci et al. 2022, drawn from the rows of tables and nothing else."""

from collections.abc import Callable, Sequence

from lth.core.tables import Row
from lth.report.figures.drawing import Drawing, Sketch

from .landscape import sketch_lines, sketch_map, sketch_signal
from .spectrum import sketch_spectrum
from .training import sketch_accuracy, sketch_gradient_norm, sketch_updates


def _of(name: str, table: str, sketch: Callable[[Sequence[Row]], Sketch | None]) -> Drawing:
    return Drawing(f"evci2022_{name}", lambda results: sketch(results[table]))


ACCURACY = Drawing("evci2022_accuracy", sketch_accuracy)
GRADIENT_NORM = Drawing("evci2022_gradient_norm", sketch_gradient_norm)
FIGURES = (
    ACCURACY,
    _of("signal", "signal", sketch_signal),
    GRADIENT_NORM,
    _of("updates", "updates", sketch_updates),
    _of("spectrum", "spectrum", sketch_spectrum),
    _of("interpolation", "lines", sketch_lines),
    _of("map", "map", sketch_map),
)
"""Of one mask, the main one first."""
SEED_FIGURES = (ACCURACY, GRADIENT_NORM)
"""Of several masks."""
