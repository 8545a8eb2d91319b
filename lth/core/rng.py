"""Randomness by address: what is drawn depends on where it is used, never on how much was drawn before.

So resuming, rewinding and running in parallel cannot change a result.
"""

import hashlib
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def address(seed: int, *where: str | int) -> int:
    """A 63-bit number for the address `where` under `seed`, the same on every machine and in every process.

    >>> address(0, "order", 3)
    6254814875441857239
    """
    if not isinstance(seed, int):
        raise TypeError(f"the seed {seed} is not resolved: Seeds.resolved gives numbers")
    text = json.dumps([seed, *where])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1


def rng(seed: int, *where: str | int) -> torch.Generator:
    """A CPU generator for the address `where` under `seed`.

    It is on the CPU whatever the device, so that the same seed gives the same draws everywhere. Torch's CPU generator
    uses the lower 32 bits of its seed: one in four billion pairs of addresses shares its draws.

    >>> torch.equal(torch.rand(3, generator=rng(0, "noise")), torch.rand(3, generator=rng(0, "noise")))
    True
    """
    return torch.Generator().manual_seed(address(seed, *where))


def seed_python(number: int) -> None:
    """Seeds the global generators of NumPy and of Python's `random` by `number`."""
    np.random.seed(number % 2**32)
    random.seed(number)


@contextmanager
def generators_kept(devices: list[int] | list[torch.device]) -> Iterator[None]:
    """Restores the global generators afterwards: torch's on the CPU and on `devices`, NumPy's and Python's."""
    arrays, numbers = np.random.get_state(), random.getstate()
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        np.random.set_state(arrays)
        random.setstate(numbers)


@contextmanager
def global_rng(seed: int, *where: str | int) -> Iterator[None]:
    """Seeds the global generators of torch, NumPy and Python by the address `where` under `seed`; restores them after.

    For code that takes no generator, such as dropout and a module's `reset_parameters`.
    """
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with generators_kept(devices):
        torch.manual_seed(address(seed, *where))
        seed_python(address(seed, *where))
        yield
