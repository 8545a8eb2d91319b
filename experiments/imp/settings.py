"""The settings of `lth imp`. Imports no torch."""

from dataclasses import dataclass, replace
from typing import Any

from lth.core.errors import SettingError
from lth.core.setting import setting
from lth.settings import NO_DATA, LevelSettings, LoopSettings, TaskSettings
from lth.training.recipe import Recipe


@dataclass
class ImpSettings(LevelSettings):
    """One replicate of `lth imp`."""

    experiment: str = setting("imp", "")
    loop: LoopSettings = setting(LoopSettings, "the training loop", unhashed_at_default=True)
    one_shot_arms: list[str] | None = setting(
        None, "arms of pruning.schedule=one_shot; null: arms", unhashed="setting", empty=False
    )
    probes: list[str] = setting(
        [],
        "measurements of each arm: distance, interpolation, agreement, level_to_level, my_module:my_probe",
        unhashed="setting",
        unhashed_at_default=True,
    )
    line_examples: int | None = setting(
        None,
        "examples of each split that lines are evaluated on; null: all",
        unhashed="setting",
        unhashed_without="probes",
        low=2,
        high=10**9,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data.name == NO_DATA and self.brings_data and self.task != TaskSettings():
            problem = (
                "is learnt from data, and your loop brings its own, with loss and metrics: leave task out, or give data"
            )
            raise SettingError("task", self.task.name, problem)

    @property
    def brings_data(self) -> bool:
        """Whether a loop of the user's brings data of its own."""
        return self.loop.name == "custom"

    def setting(self, data: str = "", architecture: str = "") -> str:
        """The setting of its rows: without the recipe and the probes of lth's loop, where another trains."""
        if self.loop.name == "lth":
            return super().setting(data, architecture)
        return LevelSettings.setting(replace(self, recipe=Recipe(), probe_every=0), data, architecture)

    def about(self, schedule: str) -> dict[str, Any]:
        """The columns of the results that name the experiment; data that a loop brings are called as the loop is."""
        about = super().about(schedule)
        return about | {"data": self.loop._target_} if self.data.name == NO_DATA else about

    @property
    def scheduled_arms(self) -> list[str]:
        """The arms of this schedule: `one_shot_arms` where it is one shot and they are given, else `arms`."""
        one_shot = self.pruning.schedule == "one_shot"
        return self.one_shot_arms if one_shot and self.one_shot_arms is not None else self.arms


SETTINGS = ImpSettings
