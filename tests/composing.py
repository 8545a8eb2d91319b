"""Configurations as Hydra composes them, without composing anew for each value: that takes a tenth of a second."""

import copy
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lth.cli.config import register
from lth.discovery import place


def configuration(experiment: str, *words: str, hydra: bool = False) -> DictConfig:
    """What Hydra composes for `words`: the choices of groups are composed once, and values put into a copy.

    What that refuses, Hydra refuses itself. hydra: with its own part, whose overrides are `words`.
    """
    register(experiment)
    try:
        overrides = OverridesParser.create().parse_overrides(list(words))
        chosen = [one.input_line for one in overrides if not _is_value(one)]
        config = copy.deepcopy(_kept(experiment, *chosen, hydra=hydra))
        for one in filter(_is_value, overrides):
            OmegaConf.update(config, one.key_or_group, one.value(), merge=True)
        if hydra:
            config.hydra.overrides.task = list(words)
        return config
    except (HydraException, OmegaConfBaseException):
        return composed_by_hydra(experiment, *words, hydra=hydra)


def composed_by_hydra(experiment: str, *words: str, hydra: bool = False) -> DictConfig:
    """What Hydra composes for `words` of an experiment that is registered; hydra: with its own part."""
    with initialize_config_dir(str(place("conf")), version_base="1.3"):
        return compose(experiment, list(words), return_hydra_config=hydra)


_kept: Any = cache(composed_by_hydra)


def _is_value(override: Override) -> bool:
    """Whether it changes the value of a key, and no choice of a group."""
    key = override.key_or_group
    is_group = "/" in key or (Path(place("conf")) / key).is_dir()
    return override.type == OverrideType.CHANGE and not is_group and not override.is_sweep_override()
