"""Seeds, one for each thing that is random. Imports no torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lth.core.setting import setting

if TYPE_CHECKING:
    Seed = int
else:
    Seed = int | None
"""None in settings, where `seed` gives it, and a number once `Seeds.resolved` has resolved it."""

_AS_SEED: Any = None
LARGEST = 2**63 - 1
"""The largest seed."""


@dataclass
class Seeds:
    """One seed for each thing that is random, so that each can be varied alone; None: the seed of the replicate.

    >>> Seeds(mask=7).resolved(3)
    Seeds(init=3, order=3, augment=3, mask=7, split=0, noise=0)
    """

    init: Seed = setting(_AS_SEED, "of initial weights; null: seed", low=0, high=LARGEST)
    order: Seed = setting(_AS_SEED, "of the order of examples; null: seed", low=0, high=LARGEST)
    augment: Seed = setting(_AS_SEED, "of augmentation; null: seed", low=0, high=LARGEST)
    mask: Seed = setting(_AS_SEED, "of random masks; null: seed", low=0, high=LARGEST)
    split: int = setting(
        0, "of the validation split, of data=modular the test split, whatever seed is", low=0, high=LARGEST
    )
    noise: int = setting(0, "of label noise, whatever seed is", low=0, high=LARGEST, unhashed_at_default=True)

    def resolved(self, seed: int = 0) -> "Seeds":
        """The same with `seed` where there was None."""
        return Seeds(**{name: seed if value is None else value for name, value in vars(self).items()})
