"""The figures of `lth deploy`: accuracy against size and time, size, bits, sensitivity by layer."""

from lth.report.figures.drawing import Drawing

from .compression import sketch_grid, sketch_sensitivity, sketch_sizes
from .front import sketch_worth

WORTH = Drawing("worth", sketch_worth)
BITS = Drawing("bits", sketch_grid)
FIGURES = (WORTH, Drawing("sizes", sketch_sizes), BITS, Drawing("sensitivity", sketch_sensitivity))
SEED_FIGURES = (WORTH, BITS)
