"""Whether this machine can run the sparse products: they are compiled, or loaded, and tried once."""

from functools import cache

from lth.core.errors import reason_of
from lth.kernels import TOLERANCE


@cache
def ready() -> str | None:
    """None where the sparse products can be used, else the reason in one line; it takes seconds on first use.

    What numba or LLVM raise on a machine that they do not know is the reason, never an error.
    """
    try:
        from lth.kernels.compiled import compiling
        from lth.kernels.trial import chain_error, worst_error

        with compiling():
            error = max(worst_error(), chain_error())
    except ImportError as problem:
        return f"numba cannot be imported: {reason_of(problem)}"
    except Exception as problem:  # whatever numba or LLVM raise
        return f"the sparse kernels cannot be compiled: {reason_of(problem)}"
    if not error <= TOLERANCE:
        return f"the sparse kernels give wrong results on this machine, off by {error:.1e}"
    return None
