"""Between Hydra and settings: what Hydra needs to compose an experiment's configuration, and checked settings from it.

Imports no torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lth.cli.defaults import plain, starting_defaults
from lth.core.checked import built
from lth.core.errors import LotteryError, SettingError
from lth.core.setting import Marks, default_of, marks_of
from lth.discovery import Source, place, source_of, sources


class ExperimentFolder(SearchPathPlugin):
    """Hydra searches the folder of an outside experiment too, after lth's own configuration."""

    source: Source | None = None
    """The experiment that was registered last."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra."""
        if self.source is not None and self.source.outside and self.source.folder:
            search_path.append("experiment", f"file://{self.source.folder}")


def register(experiment: str | Source) -> None:
    """Puts the keys of `experiment` and their defaults where Hydra finds them; `read` checks what becomes of them.

    Hydra also searches the folder of an experiment from outside. Where that has no primary configuration, one is made.
    """
    source = source_of(experiment) if isinstance(experiment, str) else experiment
    ConfigStore.instance().store(name=f"schema_{source.name}", node=plain(source.settings))
    if source.config is None:
        ConfigStore.instance().store(name=source.name, node={"defaults": starting_defaults(source)})
    ExperimentFolder.source = source
    Plugins.instance().register(ExperimentFolder)


def composed(source: Source, overrides: Sequence[str]) -> dict[str, Any]:
    """The values of all keys under `overrides`, nested, as Hydra composes them. LotteryError for what it refuses."""
    register(source)
    try:
        with initialize_config_dir(str(place("conf")), version_base="1.3"):
            values = OmegaConf.to_container(compose(source.name, list(overrides)))
    except (HydraException, OmegaConfBaseException, ValueError, RecursionError) as error:
        raise LotteryError(in_one_line(error)) from error
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def read(config: DictConfig, source: Source | None = None) -> Any:
    """The settings that `config` holds, checked by value; SettingError for a bad one.

    source: the experiment; None: the one that was registered last.
    """
    source = source or ExperimentFolder.source
    assert source is not None, "an experiment is registered before its configuration is read"
    try:
        values = OmegaConf.to_container(config, resolve=True)
    except (OmegaConfBaseException, RecursionError) as error:
        raise LotteryError(in_one_line(error)) from error
    assert isinstance(values, dict)
    _check_experiment(source, values)
    return built(source.settings, values)


def settings_of(source: Source, config: DictConfig, overrides: Sequence[str]) -> Any:
    """The settings that `config` holds, as `read` gives them; overrides: the KEY=VALUE of the command line.

    Raises SettingError too where one of these says what nothing would read.
    """
    settings = read(config, source)
    for word in overrides:
        _check_read(settings, word.lstrip("+").partition("=")[0].split("."))
    return settings


def _check_read(settings: Any, path: Sequence[str]) -> None:
    """Raises SettingError where the key `path` has another value than its default, and nothing reads it."""
    holder = settings
    for part in path[:-1]:
        holder = getattr(holder, part, None)
    marks = {entry.name: marks_of(entry) for entry in fields(holder)} if is_dataclass(holder) else {}
    if (mark := marks.get(path[-1], Marks()).read_with) is None:
        return
    value, (other, values) = getattr(holder, path[-1]), mark
    chosen, default = getattr(holder, other), default_of(type(holder).__dataclass_fields__[path[-1]])
    if value != default and chosen not in values:
        problem = f"is read with {'.'.join([*path[:-1], other])}={'|'.join(values)} alone, and here that is {chosen}"
        raise SettingError(".".join(path), value, problem)


def _check_experiment(source: Source, values: Mapping[Any, Any]) -> None:
    """Raises SettingError where a configuration is for another experiment: a paper's says which one it is for."""
    named = values.get("experiment")
    if named != source.name:
        if values.get("paper") and isinstance(named, str) and named in sources():
            problem = f"is a paper of lth {named}, not of lth {source.name}"
            raise SettingError("paper", values["paper"], problem)
        problem = f"is not for you to set: the experiment is the first word, as in lth {source.command}"
        raise SettingError("experiment", named, problem)


def in_one_line(error: BaseException) -> str:
    """What Hydra or OmegaConf says of a mistake, in one line: what is wrong, and with which key."""
    lines = [line.strip() for part in (error, error.__cause__) if part for line in str(part).splitlines()]
    text = [
        line for line in lines if line and not line.startswith(("^", "object_type=", "See https://", "full_key: <"))
    ]
    key = next((line.removeprefix("full_key: ") for line in text if line.startswith("full_key: ")), "")
    words = "; ".join(dict.fromkeys(line for line in text if not line.startswith("full_key: ")))
    return f"{key}: {words}" if key else words or type(error).__name__
