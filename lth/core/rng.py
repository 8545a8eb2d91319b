"""Randomness by address: a number depends on where it is used, never on how many were drawn before it.

So resuming, rewinding and running in parallel cannot change a result.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch


def address(seed: int, *where: str | int) -> int:
    """A 63-bit number for the place `where` under `seed`; the same on every machine and in every process."""
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


@dataclass(frozen=True)
class Seeds:
    """One seed for each thing that is random, so that each can be varied alone."""

    init: int = 0
    order: int = 0
    augment: int = 0
    mask: int = 0
    split: int = 0


def seeds_from(seed: int, **overrides: int | None) -> Seeds:
    """`seed` for everything but the split, which stays 0, and what `overrides` names."""
    values = {"init": seed, "order": seed, "augment": seed, "mask": seed, "split": 0}
    return Seeds(**values | {key: value for key, value in overrides.items() if value is not None})
