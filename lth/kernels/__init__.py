"""Products with sparse weights on the CPU, for training: forward, gradient of the input, gradient of the kept weights.

Importing this package imports no numba; `lth.kernels.ready.ready` does, compiles what is missing, and says why where
a machine cannot.
"""

TOLERANCE = 1e-5
"""How far a sparse product may be from the exact one, relative to its largest element."""
DENSEST = 0.5
"""The density above which a layer is dense without being timed: its sparse products are not the faster ones."""
