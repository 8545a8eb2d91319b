"""Between Hydra and settings: what Hydra needs to compose an experiment's configuration, and checked settings from it.

Imports no torch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf

from lth.cli.defaults import starting_defaults
from lth.core.errors import LotteryError
from lth.discovery import Source, place, source_of


class ExperimentFolder(SearchPathPlugin):
    """Hydra searches the folder of an outside experiment too, after lth's own configuration."""

    folder: Path | None = None

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra."""
        if self.folder is not None:
            search_path.append("experiment", f"file://{self.folder}")


def register(experiment: str | Source) -> None:
    """Puts the schema of `experiment` where Hydra finds it, so that keys and types are checked before a job starts.

    Hydra also searches the folder of an experiment from outside. Where that has no primary configuration, one is made.
    """
    source = source_of(experiment) if isinstance(experiment, str) else experiment
    ConfigStore.instance().store(name=f"schema_{source.name}", node=source.settings)
    if source.config is None:
        ConfigStore.instance().store(name=source.name, node={"defaults": starting_defaults(source)})
    ExperimentFolder.folder = source.folder if source.outside else None
    Plugins.instance().register(ExperimentFolder)


def composed(source: Source, overrides: Sequence[str]) -> dict[str, Any]:
    """The values of all keys under `overrides`, nested, as Hydra composes them. LotteryError for what it refuses."""
    register(source)
    try:
        with initialize_config_dir(str(place("conf")), version_base="1.3"):
            values = OmegaConf.to_container(compose(source.name, list(overrides)))
    except HydraException as error:
        raise LotteryError(str(error)) from error
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def read(config: DictConfig) -> Any:
    """The settings that `config` holds, checked by value; SettingError for a bad one."""
    return OmegaConf.to_object(config)
