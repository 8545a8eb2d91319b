"""The settings of `lth stability`. Imports no torch."""

import copy
from dataclasses import dataclass

from lth.analysis.line import STABLE
from lth.core.errors import SettingError
from lth.core.setting import setting
from lth.settings import LevelSettings
from lth.training.recipe import Duration

MOST_CHILDREN = 100
"""Of one network; the children of its further draws are numbered from the multiples of this on."""


@dataclass
class StabilitySettings(LevelSettings):
    """One replicate of `lth stability`: one initialisation, its rewind points, and the children from each of them."""

    experiment: str = setting("stability", "")
    rewinds: list[Duration] = setting(
        [0], "rewind points, times that children start from; 0: initialisation", unhashed="setting", empty=False, low=0
    )
    dense_rewinds: list[Duration] = setting(
        [], "further rewind points, for the dense network alone", unhashed="setting", low=0
    )
    children: int = setting(
        2, "trainings from each network; n of them are n(n-1)/2 pairs", unhashed="setting", low=2, high=MOST_CHILDREN
    )
    points: int = setting(30, "places on the line between two children, these included", low=3, high=10_000)
    line_examples: int | None = setting(
        None, "examples of each split that lines are evaluated on; null: all", low=2, high=10**9
    )
    stable_below: float = setting(
        STABLE,
        "points of instability from which on a network is not stable",
        unhashed=True,
        above=0,
        high=100,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rewind != 0:
            raise SettingError("rewind", self.rewind, f"is a list here: rewinds=[{self.rewind}]")

    def of(self, rewind: int, dense: bool = False) -> "StabilitySettings":
        """The same settings for one rewind point alone, in iterations; their hash is that of the rows from there.

        dense: without a search for tickets.
        """
        settings = copy.copy(self)
        settings.rewind, settings.rewinds, settings.dense_rewinds = rewind, [rewind], []
        if dense:
            settings.levels, settings.arm_levels = 0, "all"
        return settings


SETTINGS = StabilitySettings
