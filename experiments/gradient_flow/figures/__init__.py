"""The figures of Evci et al. 2022 within one mask, drawn from the rows of a job's tables and nothing else."""

from collections.abc import Callable, Sequence

from lth.core.tables import Row
from lth.report.figures.drawing import Drawing, Sketch

from .landscape import sketch_lines, sketch_map, sketch_signal
from .spectrum import sketch_spectrum
from .training import sketch_accuracy, sketch_gradient_norm, sketch_updates


def _of(name: str, table: str, sketch: Callable[[Sequence[Row]], Sketch | None]) -> Drawing:
    return Drawing(f"evci2022_{name}", lambda results: sketch(results[table]))


FIGURES = (
    _of("accuracy", "results", sketch_accuracy),
    _of("signal", "signal", sketch_signal),
    Drawing("evci2022_gradient_norm", lambda results: sketch_gradient_norm(results["results"], results["curves"])),
    _of("updates", "updates", sketch_updates),
    _of("spectrum", "spectrum", sketch_spectrum),
    _of("interpolation", "lines", sketch_lines),
    _of("map", "map", sketch_map),
)
"""The main one first."""
