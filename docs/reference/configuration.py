"""The page of configuration keys: from the settings dataclasses and the composed defaults of every experiment."""

import types
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from lth.config import register
from lth.core.setting import marks_of
from lth.discovery import place, sources
from reference.markdown import table

INTRO = """\
# Configuration keys

Override any key on the command line as `key=value`, or sweep it with `-m key=value1,value2`. Lists need quotes, as in
`'arms=[ticket,reinit]'`. `lth EXPERIMENT --cfg job` prints the configuration that a command would run with.

Durations are a number of iterations (`500` or `500it`), of epochs (`2ep`), or both (`2ep50it`). The defaults below are
those of `scale=quick`; where experiments differ, the exceptions are named.
"""
GROUPS = ("data", "model", "recipe", "pruning", "scale", "paper", "hydra/launcher")
HYDRA = {"hydra/launcher": ("joblib", "basic", "ray")}
"""Options that come with Hydra and its plugins."""
NAMES = {int: "integer", float: "number", str: "text", bool: "true or false"}


@dataclass(frozen=True)
class Key:
    """A configuration key of one experiment."""

    experiment: str
    name: str
    kind: str
    default: str
    meaning: str
    about: str

    @property
    def section(self) -> str:
        """The part of the name before the first dot; empty for a key of its own."""
        return self.name.partition(".")[0] if "." in self.name else ""


def page() -> str:
    """The page, in Markdown."""
    keys = [key for name in sources() for key in keys_of(name) if key.meaning]
    count = Counter(key.name for key in keys)
    shared = [key for key in keys if count[key.name] > 1]
    parts = [INTRO, "## Groups", "A group selects a file with the values of several keys.", groups()]
    parts += ["## Keys of several experiments"]
    for section in dict.fromkeys(key.section for key in shared):
        chosen = [key for key in shared if key.section == section]
        if section:
            parts += [f"### {section}", chosen[0].about]
        parts.append(section_table(chosen))
    for name in sources():
        if alone := [key for key in keys if key.experiment == name and count[key.name] == 1]:
            parts += [f"## Keys of lth {name} alone", section_table(alone)]
    return "\n\n".join(part for part in parts if part) + "\n"


def groups() -> str:
    """The configuration groups and their options."""
    rows = []
    for group in GROUPS:
        folder = place("conf") / group
        files = folder.rglob("[!_]*.yaml")
        options = [*HYDRA.get(group, ()), *sorted(str(path.relative_to(folder).with_suffix("")) for path in files)]
        rows.append([f"`{group}=`", ", ".join(f"`{option}`" for option in options)])
    return table(["group", "options"], rows)


def keys_of(experiment: str) -> list[Key]:
    """Every key of `experiment`, with its composed default."""
    register(experiment)
    with initialize_config_dir(str(place("conf")), version_base="1.3"):
        config = compose(experiment)
    return list(_keys(experiment, config, OmegaConf.get_type(config), ""))


def _keys(experiment: str, config: DictConfig, kind: type, prefix: str) -> Iterator[Key]:
    hints = get_type_hints(kind)
    about = (kind.__doc__ or "").partition("\n")[0]
    for entry in fields(kind):
        hint, name = hints[entry.name], prefix + entry.name
        if is_dataclass(hint):
            yield from _keys(experiment, config[entry.name], hint, f"{name}.")  # type: ignore[arg-type]
        elif entry.name != "experiment":
            default = config._get_node(entry.name)
            text = "" if OmegaConf.is_missing(config, entry.name) else shown(default)
            yield Key(experiment, name, kind_of(hint), text, marks_of(entry).meaning, about)


def shown(node: Any) -> str:
    """A default as it would be written on the command line."""
    value = OmegaConf.to_container(node) if OmegaConf.is_config(node) else node._value()
    return written(value)


def written(value: Any) -> str:
    """`value` as YAML in one line.

    >>> written({"output": 0.1, "names": ["a", None]})
    '{output: 0.1, names: [a, null]}'
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    return str(value)


def kind_of(hint: Any) -> str:
    """The type of a key in words.

    >>> kind_of(list[int] | None)
    'list of integers, or null'
    >>> kind_of(str | int)
    'duration'
    """
    if get_origin(hint) in (Union, types.UnionType):
        options = [option for option in get_args(hint) if option is not type(None)]
        name = "duration" if set(options) == {str, int} else " or ".join(map(kind_of, options))
        return name + (", or null" if type(None) in get_args(hint) else "")
    if get_origin(hint) is list:
        item = kind_of(get_args(hint)[0])
        return f"list of {'names' if item == 'text' else f'{item}s'}"
    if get_origin(hint) is dict:
        return "mapping"
    return NAMES.get(hint, "any")


def section_table(keys: Sequence[Key]) -> str:
    """The table of `keys`, one row a name, in the order of their first experiment."""
    rows = []
    for name in dict.fromkeys(key.name for key in keys):
        same = [key for key in keys if key.name == name]
        rows.append([f"`{name}`", same[0].kind, defaults(same), same[0].meaning])
    return table(["key", "type", "default", "meaning"], rows)


def defaults(keys: Sequence[Key]) -> str:
    """The default that most of `keys`, one an experiment, have, and those of the others with their names."""
    (usual, _), *others = Counter(key.default for key in keys).most_common()
    texts = [code(usual)]
    for default, _ in others:
        names = ", ".join(key.experiment for key in keys if key.default == default)
        texts.append(f"{code(default) or 'none'} ({names})")
    return "; ".join(text for text in texts if text)


def code(text: str) -> str:
    """`text` as code; empty for none."""
    return f"`{text}`" if text else ""
