"""How attention runs in a network."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch.nn.attention import SDPBackend, sdpa_kernel


@contextmanager
def plain_attention() -> Iterator[None]:
    """Within, attention runs as the products that it consists of.

    Torch's fused operators for it have no second derivative, and hide their products.
    """
    with sdpa_kernel(SDPBackend.MATH):
        yield
