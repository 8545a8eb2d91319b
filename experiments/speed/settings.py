"""The settings of `lth speed`. Imports no torch."""

from dataclasses import dataclass

from lth.core.errors import SettingError
from lth.core.seeds import LARGEST
from lth.core.setting import setting
from lth.settings import MachineSettings

NETWORKS = ("lenet_300_100", "mlp_1024", "lenet5", "conv2", "resnet20")
"""The networks that are timed; `mlp_1024` is 784-1024-1024-10."""
DEEP = ("resnet20", "vgg11")
"""The networks that are timed on two cores, with flip and crop."""
DENSITIES = [1.0, 0.21, 0.135, 0.07, 0.036, 0.019]


@dataclass
class RootSettings:
    """Where the prepared data are."""

    root: str | None = setting(None, "folder of data; null: $LTH_DATA, else a cache")


@dataclass
class SpeedSettings(MachineSettings):
    """`lth speed`: what is timed, for how long, and with which seed."""

    experiment: str = setting("speed", "")
    device: str = setting("cpu", "cpu; cuda: deep networks on a GPU, alone", unhashed=True)
    networks: list[str] = setting(list(NETWORKS), "networks to time on one core; []: none", options=NETWORKS)
    densities: list[float] = setting(DENSITIES, "densities to time them at, 0..1", above=0, high=1, empty=False)
    blocks: int = setting(5, "blocks of each way that count; medians are over blocks", low=1, high=10**6)
    iterations: int = setting(50, "iterations of a block of lenet_300_100; of larger networks fewer", low=1, high=10**7)
    custom_loop: bool = setting(True, "whether a loop of a user's is timed, through lth and bare")
    deep: list[str] = setting(["resnet20"], "networks to time with flip and crop on two cores; []: none", options=DEEP)
    levels: int = setting(16, "levels of the ladder after the dense one; 0: no ladder", low=0, high=40)
    level_iterations: int = setting(700, "iterations of each training of the ladder", low=1, high=10**9)
    workers: int = setting(2, "1: leaves out two seeds at once and deep networks", low=1, high=2)
    data: RootSettings = setting(RootSettings, "where the prepared data are")
    seed: int = setting(0, "seed of weights, batches and masks", low=0, high=LARGEST)
    scale: str = setting("quick", "")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.device.partition(":")[0] not in ("cpu", "cuda"):
            raise SettingError("device", self.device, "must be cpu, or cuda for deep networks on a GPU")


SETTINGS = SpeedSettings
