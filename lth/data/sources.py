"""Where data come from: a prepared file, a generator, a download, or a function of the user's.

Each source gives the four tensors of a prepared file: `train_images` uint8 or float32 (N, C, H, W), `train_labels`
int64 (N,), `test_images`, `test_labels`. They are kept as `<root>/<name>.safetensors` and read from there next time.
"""

import inspect
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lth.core.errors import DataError, LotteryError, SettingError
from lth.core.files import replacing
from lth.core.registry import imported
from lth.data.builtin import SOURCES

log = logging.getLogger(__name__)

NAMES = ("train_images", "train_labels", "test_images", "test_labels")


def default_root() -> Path:
    """The folder of the prepared files: `$LTH_DATA`, else `lth` in the user's cache folder.

    >>> from unittest import mock
    >>> with mock.patch.dict(os.environ, {"LTH_DATA": "/data"}):
    ...     str(default_root())
    '/data'
    """
    if "LTH_DATA" in os.environ:
        return Path(os.environ["LTH_DATA"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lth"


def load(name: str, root: Path | None = None) -> dict[str, Tensor]:
    """The four tensors of the data set `name`: read from the prepared file in `root`, else made and kept there.

    Raises SettingError for an unknown name; DataError for a damaged file, and where a download fails.
    """
    root = root or default_root()
    path = root / f"{name}.safetensors"
    if path.exists():
        return read_prepared(path)
    if name not in SOURCES:
        raise SettingError("data", name, f"unknown, and there is no {path}; known: {', '.join(SOURCES)}, custom")
    tensors = SOURCES[name](root)
    try:
        with replacing(path) as temporary:
            save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, temporary)
    except LotteryError as error:
        log.warning("the data are used, but the prepared file was not kept: %s", error)
    return tensors


def read_prepared(path: Path) -> dict[str, Tensor]:
    """The four tensors of the prepared file `path`; DataError naming it where it is damaged or lacks one of them."""
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path} cannot be read ({error}); delete it, and it is made again") from error
    missing = [key for key in NAMES if key not in tensors]
    if missing:
        raise DataError(f"{path} has no {missing[0]}; a prepared file holds {', '.join(NAMES)}")
    return {key: tensors[key] for key in NAMES}


def custom(target: str, args: Mapping[str, Any]) -> dict[str, Tensor]:
    """The four tensors from the user's function `target` ("package.module.function"), called with `args`.

    It returns tensors or arrays: a mapping by name, (train_images, train_labels, test_images, test_labels),
    ((images, labels), (images, labels)), or two map-style datasets (training, test). Raises SettingError where it
    cannot be called, DataError for another number of values.
    """
    returned = call(target, args, "data")
    if isinstance(returned, Mapping):
        return {key: torch.as_tensor(value) for key, value in returned.items()}
    parts = tuple(returned)
    if len(parts) == 2:
        parts = (*_pair(parts[0]), *_pair(parts[1]))
    if len(parts) != 4:
        raise DataError(f"data._target_={target} returned {len(parts)} values; it should return {', '.join(NAMES)}")
    return {key: torch.as_tensor(value) for key, value in zip(NAMES, parts, strict=True)}


def _pair(part: Any) -> tuple[Any, Any]:
    if isinstance(part, (tuple, list)) and len(part) == 2:
        return part[0], part[1]
    images, labels = zip(*(part[index] for index in range(len(part))), strict=True)
    return torch.stack([_image(image) for image in images]), torch.as_tensor(labels)


def _image(image: Any) -> Tensor:
    """An image of a dataset as a tensor; a PIL image of (H, W) or (H, W, C) becomes (C, H, W)."""
    if not hasattr(image, "getbands"):
        return torch.as_tensor(image)
    values = torch.from_numpy(np.array(image))
    return values[None] if values.ndim == 2 else values.permute(2, 0, 1)


def call(target: str, args: Mapping[str, Any], group: str) -> Any:
    """What the callable `target` returns for `args`.

    Raises SettingError naming a key of `group` where it cannot be imported, does not take these arguments, or has no
    signature, as some builtins.

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
    return function(**args)


def resolve(target: str, key: str) -> Callable[..., Any]:
    """The callable that the dotted path `target` names; SettingError naming `key` where there is none."""
    named = imported(target, key)
    if not callable(named):
        raise SettingError(key, target, "cannot be called: name a class or a function")
    return named
