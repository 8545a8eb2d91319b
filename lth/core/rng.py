"""Randomness by address: a number depends on where it is used, never on how many were drawn before it.

So resuming, rewinding and running in parallel cannot change a result.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def address(seed: int, *where: str | int) -> int:
    """A 63-bit number for the place `where` under `seed`; the same on every machine and in every process."""
    if not isinstance(seed, int):
        raise TypeError(f"the seed {seed} is not resolved: Seeds.resolved gives numbers")
    text = json.dumps([seed, *where])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1


def rng(seed: int, *where: str | int) -> torch.Generator:
    """A CPU generator for the place `where` under `seed`.

    On the CPU whatever the device, so that the same seed gives the same draws everywhere. Torch's CPU generator takes
    the lower 32 bits of its seed: one in four billion pairs of places shares its draws.
    """
    return torch.Generator().manual_seed(address(seed, *where))


@contextmanager
def global_rng(seed: int, *where: str | int) -> Iterator[None]:
    """Torch's global generators at the place `where` under `seed`; restored afterwards.

    For code that takes no generator: dropout, and a module's own `reset_parameters`.
    """
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(address(seed, *where))
        yield
