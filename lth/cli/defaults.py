"""What an experiment's configuration holds before Hydra composes it: its groups, their options, the starting values.

Hydra takes longer to compose a configuration than to be imported; a help text does not wait for it. Imports no torch.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from lth.core.checked import UNSET
from lth.core.plain_yaml import read_yaml
from lth.core.reading import read_text
from lth.core.setting import default_of
from lth.discovery import Source

GROUPS = ("data", "task", "model", "recipe", "pruning", "loop", "paper", "scale")
STARTING = {"data": "mnist1d", "task": None, "model": "lenet_300_100", "recipe": "adam", "pruning": "layerwise"}
"""The options that an experiment without a primary configuration starts from, for the groups that it has."""
PLUGINS = ("basic", "joblib", "ray")
"""The launchers that Hydra and its plugins bring; those of clusters are configured here under other names."""
SELF = "_self_"
CHOICE = re.compile(r"\$\{(\w+)\}")
PAPER = re.compile(r"[\w/-]{1,200}")
"""The name of a paper's configuration, which leads out of no folder."""
EXPERIMENT = re.compile(r"^experiment: *(\w+)", re.MULTILINE)
"""The line of a paper's configuration that names its experiment."""


def options_of(source: Source) -> dict[str, list[str]]:
    """The options of each group that the experiment's configuration has; of papers those of this experiment."""
    chosen = {entry.group for entry in defaults_of(source) if entry.option is not SELF}
    groups = {group: list(_options(source, group)) for group in GROUPS if group in chosen}
    return groups | {"hydra/launcher": [*PLUGINS, *_options(source, "hydra/launcher")]}


def paper_of(source: Source, paper: str) -> str | None:
    """The experiment that a paper's configuration is for; None where it does not say, and for a paper not found."""
    if not PAPER.fullmatch(paper):
        return None
    paths = [folder / "paper" / f"{paper}.yaml" for folder in source.config_folders]
    path = next((path for path in paths if path.is_file()), None)
    return next(iter(EXPERIMENT.findall(read_text(path))), None) if path else None


def _options(source: Source, group: str) -> Iterator[str]:
    folders = [folder / group for folder in source.config_folders]
    files = [(folder, path) for folder in folders for path in sorted(folder.rglob("[!_]*.yaml"))]
    for name in dict.fromkeys(path.relative_to(folder).with_suffix("").as_posix() for folder, path in files):
        if group != "paper" or paper_of(source, name) in (None, source.name):
            yield name


@dataclass(frozen=True)
class Default:
    """An entry of a defaults list. group: empty for a file at the top; package: where its values go, else its group."""

    group: str
    option: str | None
    package: str | None = None


def starting_defaults(source: Source) -> list[Any]:
    """The defaults list of an experiment without a primary configuration: the base, and the groups that it has."""
    names = {entry.name for entry in fields(source.settings)}
    groups = [{group: option} for group, option in STARTING.items() if group in names]
    return [f"schema_{source.name}", "base", *groups, SELF, {"scale": "quick"}]


def defaults_of(source: Source) -> list[Default]:
    """The defaults list of the experiment's primary configuration, without what it says of Hydra's own groups."""
    listed = _read(source.config).get("defaults", []) if source.config else starting_defaults(source)
    return list(_entries(listed))


def _entries(listed: Sequence[Any]) -> Iterator[Default]:
    choices = {group: option for entry in listed if isinstance(entry, dict) for group, option in entry.items()}
    for entry in listed:
        group, option = next(iter(entry.items())) if isinstance(entry, dict) else ("", entry)
        if not group.startswith("override hydra/"):
            group, _, package = group.removeprefix("optional ").removeprefix("override ").partition("@")
            option = CHOICE.sub(lambda match: str(choices.get(match[1])), option) if option else None
            yield Default(group.strip("/"), option, package or None)


def starting_values(source: Source) -> dict[str, Any]:
    """The values of all keys, nested, where the command line names none: as Hydra composes them, only sooner.

    Raises NotImplementedError for a configuration whose groups have defaults lists of their own.
    """
    values = plain(source.settings)
    for entry in defaults_of(source):
        if entry.option == SELF:
            _merge(values, _body(source.config, primary=True) if source.config else {})
        elif entry.option and not entry.option.startswith("schema_"):
            name = "/".join(part for part in (entry.group, f"{entry.option}.yaml") if part)
            path = next((path for folder in source.config_folders if (path := folder / name).is_file()), None)
            if path is not None:
                _merge(values, _body(path), "" if _is_global(path, entry) else entry.package or entry.group)
    return values


def _is_global(path: Path, entry: Default) -> bool:
    return entry.package == "_global_" or not entry.group or "@package _global_" in read_text(path).partition("\n")[0]


def plain(settings: type) -> dict[str, Any]:
    """The defaults of a settings dataclass, nested ones as dicts."""
    hints = get_type_hints(settings)
    return {
        entry.name: plain(hints[entry.name]) if is_dataclass(hints[entry.name]) else plain_default(entry)
        for entry in fields(settings)
    }


def plain_default(entry: "Field[Any]") -> Any:
    """The default of a field as a configuration holds it."""
    default = default_of(entry)
    return UNSET if default is MISSING else default


def _body(path: Path, primary: bool = False) -> dict[str, Any]:
    """What a configuration says of the experiment; NotImplementedError where it refers to other files."""
    read = _read(path)
    others = [entry for entry in read.pop("defaults", []) if not str(entry).startswith("{'override /hydra/")]
    if others and not primary:
        raise NotImplementedError(f"{path} has a defaults list")
    read.pop("hydra", None)
    return read


def _read(path: Path) -> dict[str, Any]:
    read = read_yaml(path)
    return read if isinstance(read, dict) else {}


def _merge(values: dict[str, Any], others: Mapping[str, Any], package: str = "") -> None:
    """Puts `others` into `values`, nested, at the place `package`."""
    for part in package.split("/") if package else []:
        values = values.setdefault(part, {})
    for key, value in others.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            _merge(values[key], value)
        else:
            values[key] = value
