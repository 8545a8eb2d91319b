"""The settings of `lth at_init`. Imports no torch."""

import copy
from dataclasses import dataclass

from lth.core.setting import setting
from lth.pruning.methods import check_methods, pruning_of
from lth.settings import LevelSettings


@dataclass
class AtInitSettings(LevelSettings):
    """One replicate of `lth at_init`: several methods to find a mask, on one network, data and recipe."""

    experiment: str = setting("at_init", "")
    methods: list[str] = setting(
        ["imp", "magnitude_after", "synflow", "snip", "grasp", "magnitude", "random"],
        "how masks are found; also grasp_magnitude",
        unhashed="setting",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_methods(self.methods, self.pruning)

    def of(self, method: str) -> "AtInitSettings":
        """The same settings for one method alone; their hash is that of the method's rows.

        A mask found at initialisation is trained from there: `rewind` holds for the other methods.
        """
        settings = copy.copy(self)
        settings.methods, settings.pruning = [method], pruning_of(method, self.pruning)
        settings.rewind = self.rewind if settings.pruning.score_at == "trained" else 0
        return settings


SETTINGS = AtInitSettings
