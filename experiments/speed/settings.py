"""The settings of `lth speed`. Imports no torch."""

from dataclasses import dataclass

from lth.core.errors import SettingError
from lth.core.seeds import LARGEST
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
    blocks: int = setting(20, "blocks of each loop; medians are over blocks", low=1, high=10**6)
    iterations: int = setting(100, "iterations of a block", low=1, high=10**7)
    level_iterations: int = setting(1000, "iterations of the training with evaluations", low=1, high=10**9)
    data: RootSettings = setting(RootSettings, "where the prepared data are")
    seed: int = setting(0, "seed of weights, batches and mask", low=0, high=LARGEST)
    scale: str = setting("quick", "")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.device != "cpu":
            raise SettingError("device", self.device, "must be cpu: that is what is measured")


SETTINGS = SpeedSettings
