"""Second derivatives of networks."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch.nn.attention import SDPBackend, sdpa_kernel


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """Within, attention passes forward as single products: torch's fused operators have no second derivative."""
    with sdpa_kernel(SDPBackend.MATH):
        yield
