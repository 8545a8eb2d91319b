"""Where data come from: a prepared file, a generator, a download, or a function of the user's.

Each source gives the four tensors of a prepared file: `train_images` uint8 or float32 (N, C, H, W), `train_labels`
int64 (N,), `test_images`, `test_labels`. They are kept as `<root>/<name>.safetensors` and read from there next time.
"""

import inspect
import logging
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lth.core.errors import DataError, LotteryError, SettingError, reason_of
from lth.core.registry import imported
from lth.core.users import users_code
from lth.data.builtin import SOURCES
from lth.data.forms import returned_data
from lth.data.prepared import prepared_file, read_prepared, write_prepared
from lth.data.raw import RawData

log = logging.getLogger(__name__)

NAME = re.compile(r"[^./\\~-][^/\\]{0,99}")
"""A name of a data set: it is also that of a file in data.root, so it has no separators and is no hidden file."""


GENERATED = ("modular", "text")
"""The data that settings describe, and no prepared file holds."""


def default_root() -> Path:
    """The folder of the prepared files: `$LTH_DATA`, else `lth` in the user's cache folder; empty variables are unset.

    >>> from unittest import mock
    >>> with mock.patch.dict(os.environ, {"LTH_DATA": "/data"}):
    ...     str(default_root())
    '/data'
    """
    if folder := os.environ.get("LTH_DATA"):
        return folder_of(folder, "LTH_DATA")
    return folder_of(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "data.root") / "lth"


def folder_of(text: str, key: str) -> Path:
    """The folder that `text` names, with a leading ~ for the home folder; SettingError naming `key` without one."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise SettingError(key, text, "there is no such home folder (HOME): give the folder's full path") from error


def check_name(name: str) -> None:
    """Raises SettingError for what is no name of a data set, such as a path."""
    if not NAME.fullmatch(name) or not name.isprintable():
        problem = "is no name of a data set: name a file in data.root, without folders and without .safetensors"
        raise SettingError("data.name", repr(name), problem)


def load(name: str, root: Path | None = None, keep: bool = True) -> RawData:
    """The four tensors of the data set `name`: read from the prepared file in `root`, else made and kept there.

    keep: whether anything is written to `root`; else what has to be made is kept in the default folder. Raises
    SettingError for an unknown name; DataError for a damaged file, and where a download fails.
    """
    check_name(name)
    root = root or default_root()
    path = prepared_file(root, name)
    try:
        there = path.exists()
    except OSError as error:
        raise DataError(f"data={name}: {path} cannot be read ({reason_of(error)})") from error
    if there:
        return read_prepared(path, keep)
    if not keep and root != default_root():
        return load(name)
    if name not in SOURCES:
        known = ", ".join((*SOURCES, *GENERATED, "custom"))
        raise SettingError("data", name, f"unknown, and there is no {path}; known: {known}")
    data = RawData(SOURCES[name](root))
    try:
        write_prepared(path, data)
    except LotteryError as error:
        log.warning("the data are used, but the prepared file was not kept: %s", error)
    return data


def custom(target: str, args: Mapping[str, Any], alone: bool = False) -> RawData:
    """The four tensors from the user's function `target` ("package.module.function"), called with `args`.

    alone: whether it may return inputs without labels. What it may return is in `lth.data.forms.returned_data`. Raises
    SettingError where it cannot be called, DataError where it raises an error or returns something else.
    """
    return returned_data(call(target, args, "data"), f"data._target_={target}", alone)


def call(target: str, args: Mapping[str, Any], group: str) -> Any:
    """What the callable `target` returns for `args`.

    Raises SettingError naming a key of `group` where it cannot be imported, does not take these arguments, or has no
    signature, as some builtins; LotteryError where it raises an error.

    >>> call("fractions.Fraction", {"numerator": 1, "denominator": 2}, "model")
    Fraction(1, 2)
    """
    function = resolve(target, f"{group}._target_")
    try:
        inspect.signature(function).bind(**args)
    except TypeError as error:
        raise SettingError(f"{group}.args", dict(args), f"{target}: {error}") from error
    except ValueError as error:
        raise SettingError(f"{group}._target_", target, "must be a class or function written in Python") from error
    with users_code(f"{group}._target_={target}"):
        return function(**args)


def resolve(target: str, key: str) -> Callable[..., Any]:
    """The callable that the dotted path `target` names; SettingError naming `key` where there is none."""
    named = imported(target, key)
    if not callable(named):
        raise SettingError(key, target, "cannot be called: name a class or a function")
    return named
