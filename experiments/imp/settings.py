"""The settings of `lth imp`. Imports no torch."""

from dataclasses import dataclass

from lth.core.setting import setting
from lth.settings import LevelSettings


@dataclass
class ImpSettings(LevelSettings):
    """One replicate of `lth imp`."""

    experiment: str = setting("imp", "")
    one_shot_arms: list[str] | None = setting(
        None, "arms of pruning.schedule=one_shot; null: arms", unhashed="setting", empty=False
    )
    probes: list[str] = setting(
        [],
        "measurements of each arm at each level: distance, interpolation, agreement, or my_module:my_probe",
        unhashed="setting",
        unhashed_at_default=True,
    )
    line_examples: int | None = setting(
        None,
        "examples of each split that interpolation is evaluated on; null: all",
        unhashed="setting",
        unhashed_without="probes",
        low=1,
        high=10**9,
    )

    @property
    def scheduled_arms(self) -> list[str]:
        """The arms of this schedule: `one_shot_arms` where it is one shot and they are given, else `arms`."""
        one_shot = self.pruning.schedule == "one_shot"
        return self.one_shot_arms if one_shot and self.one_shot_arms is not None else self.arms


SETTINGS = ImpSettings
