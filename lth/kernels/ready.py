"""Whether this machine can run the sparse products: they are compiled, or loaded, and tried once."""

from functools import cache

from lth.core.errors import reason_of
from lth.kernels import TOLERANCE

PARTS = ("chains", "layers")
"""What is compiled by itself: iterations of a chain (`lth.kernels.chain`), and the layers of any other network."""


@cache
def ready(part: str) -> str | None:
    """None where the sparse products of `part` can be used, else the reason in one line; the first use takes a while.

    What numba or LLVM raise on a machine that they do not know is the reason, never an error.
    """
    try:
        from lth.kernels import self_test
        from lth.kernels.compiled import compiling

        with compiling(part):
            error = self_test.chain_error() if part == "chains" else self_test.layer_error()
    except ImportError as problem:
        return f"numba cannot be imported: {reason_of(problem)}"
    except Exception as problem:  # whatever numba or LLVM raise
        return f"the sparse kernels cannot be compiled: {reason_of(problem)}"
    if not error <= TOLERANCE:
        return f"the sparse kernels give wrong results on this machine, off by {error:.1e}"
    return None
