"""The settings of `lth speed`. Imports no torch."""

from dataclasses import dataclass

from lth.core.errors import SettingError
from lth.core.setting import setting
from lth.settings import MachineSettings


@dataclass
class RootSettings:
    """Where the prepared data are."""

    root: str | None = setting(None, "folder of data; null: $LTH_DATA, else a cache")


@dataclass
class SpeedSettings(MachineSettings):
    """`lth speed`: how much is timed, and with which seed."""

    experiment: str = setting("speed", "")
    device: str = setting("cpu", "cpu alone is measured", unhashed=True)
    blocks: int = setting(20, "blocks of each loop; medians are over blocks")
    iterations: int = setting(100, "iterations of a block")
    level_iterations: int = setting(1000, "iterations of the training with evaluations")
    data: RootSettings = setting(RootSettings, "where the prepared data are")
    seed: int = setting(0, "seed of weights, batches and mask")
    scale: str = setting("quick", "")

    def __post_init__(self) -> None:
        for key in ("threads", "blocks", "iterations", "level_iterations"):
            if getattr(self, key) < 1:
                raise SettingError(key, getattr(self, key), "must be at least 1")
        if self.device != "cpu":
            raise SettingError("device", self.device, "must be cpu: that is what is measured")


SETTINGS = SpeedSettings
