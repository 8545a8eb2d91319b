"""The settings of `lth deploy`. Imports no torch."""

from dataclasses import dataclass, replace
from typing import Any

from lth.core.errors import SettingError
from lth.core.setting import setting
from lth.pruning.granularity import blocks
from lth.pruning.schedule import Pruning
from lth.settings import TrainingSettings
from lth.training.recipe import Duration


@dataclass
class ChannelsSettings:
    """Tickets of output channels: channels of convolutions, units of linear layers, each layer on its own."""

    fraction: float = setting(0.3, "share of remaining channels pruned at each level", above=0, below=1)
    levels: int = setting(4, "number of prunings of channels; 0: none", low=0, high=1000)


@dataclass
class DeploySettings(TrainingSettings):
    """One replicate of `lth deploy`: tickets of several kinds, each in every form that it can be stored and run in."""

    experiment: str = setting("deploy", "")
    pruning: Pruning = setting(Pruning, "how single weights are pruned")
    levels: int = setting(6, "number of prunings of single weights; 0: none", unhashed="setting", low=0, high=1000)
    channels: ChannelsSettings = setting(ChannelsSettings, "tickets of output channels", unhashed="setting")
    blocks: list[str] = setting(
        ["2:4", "1:4"],
        "N of M consecutive inputs stay; []: none",
        unhashed="setting",
    )
    rewind: Duration = setting(0, "time to rewind to; 0: initialisation", low=0)
    bits: list[int] = setting(
        [8, 7, 6, 5, 4, 3, 2], "bits that weights are rounded to", unhashed="setting", low=2, high=8
    )
    rounds: int = setting(25, "a latency is the median of so many blocks", unhashed="setting", low=3, high=10**6)
    onnx: bool = setting(True, "ONNX Runtime too, where it is installed", unhashed="setting")

    def __post_init__(self) -> None:
        super().__post_init__()
        for granularity in self.blocks:
            if blocks(granularity) is None:
                raise SettingError("blocks", granularity, "must be N:M in quotes, as in blocks=['2:4']")

    @property
    def kinds(self) -> dict[str, tuple[Pruning, int]]:
        """The kinds of ticket to be found, by name: how they are pruned, and how many levels they have.

        Raises SettingError where there is none, or `pruning` itself has another granularity than single weights.
        """
        if self.pruning.granularity != "weight":
            problem = "must be weight here: channels and blocks have keys of their own, channels.levels and blocks"
            raise SettingError("pruning.granularity", self.pruning.granularity, problem)
        alone: dict[str, Any] = {"scope": "layerwise", "groups": None, "layer_densities": "uniform", "fractions": {}}
        output = replace(self.pruning, granularity="output", fraction=self.channels.fraction, **alone)
        kinds = {"weights": (self.pruning, self.levels), "channels": (output, self.channels.levels)}
        kinds |= {block: (replace(self.pruning, granularity=block, **alone), 1) for block in self.blocks}
        kinds = {kind: (pruning, levels) for kind, (pruning, levels) in kinds.items() if levels}
        if not kinds:
            raise SettingError("levels", 0, "leaves no ticket: there are no channels.levels and no blocks either")
        return kinds


SETTINGS = DeploySettings
