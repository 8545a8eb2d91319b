"""Between Hydra and settings: the schema of each experiment, and its settings as checked values. Imports no torch."""

import importlib
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf


def settings_of(experiment: str) -> type:
    """The dataclass of the settings of `experiment`."""
    settings = importlib.import_module(f"lth.experiments.{experiment}.settings").SETTINGS
    assert isinstance(settings, type)
    return settings


def register(experiment: str) -> None:
    """Puts the schema of `experiment` where Hydra finds it, so that keys and types are checked before a job starts."""
    ConfigStore.instance().store(name=f"schema_{experiment}", node=settings_of(experiment))


def read(config: DictConfig) -> Any:
    """The settings that `config` holds, checked by value; SettingError for a bad one."""
    return OmegaConf.to_object(config)
