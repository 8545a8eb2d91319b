"""Where data come from: a prepared file, a generator, a download, or a function of the user's.

Each source gives the four tensors of a prepared file: `train_images` uint8 or float32 (N, C, H, W), `train_labels`
int64 (N,), `test_images`, `test_labels`. They are kept as `<root>/<name>.safetensors` and read from there next time.
"""

import importlib
import inspect
import logging
import os
import random
import tempfile
import warnings
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

log = logging.getLogger(__name__)

NAMES = ("train_images", "train_labels", "test_images", "test_labels")
MNIST1D_TEST = 10_000
"""Test examples of MNIST-1D."""


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
    module, _, attribute = target.rpartition(".")
    try:
        named = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingError(
            key,
            target,
            f"cannot be imported ({error}); the current folder and installed packages are searched",
        ) from error
    if not callable(named):
        raise SettingError(key, target, "cannot be called: name a class or a function")
    return named  # type: ignore[no-any-return]  # getattr gives Any


def mnist1d(root: Path) -> dict[str, Tensor]:
    """MNIST-1D (Greydanus 2020): the 4,000 published training examples and 10,000 test examples from its generator.

    The published test set has 1,000 examples, too few to resolve a point of accuracy. These come from the generator's
    next seed, scaled like the published ones.
    """
    state, python_state = np.random.get_state(), random.getstate()  # make_dataset sets both generators
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from mnist1d.data import get_dataset_args, make_dataset
        published, more = get_dataset_args(), get_dataset_args()
        more.seed, more.num_samples, more.train_split = published.seed + 1, MNIST1D_TEST, 0.0
        train, test = make_dataset(published), make_dataset(more)
    finally:
        np.random.set_state(state)
        random.setstate(python_state)
    # Each call standardises its examples, and divides its time axis t by the same standard deviation: so the ratio of
    # the two is that of the time axes. The means stay apart, but both are of thousands of examples of one distribution.
    ratio = float(train["t"][-1] / test["t"][-1])
    return _tensors(train["x"], train["y"], test["x_test"] * ratio, test["y_test"], shape=(1, 1, 40))


def digits(root: Path) -> dict[str, Tensor]:
    """scikit-learn's 1,797 digits of 8x8 pixels, scaled to 0..1: the first 1,297 for training, the last 500 for test.

    >>> {name: tuple(tensor.shape) for name, tensor in digits(Path()).items()}["test_images"]
    (500, 1, 8, 8)
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = images / 16
    return _tensors(images[:-500], labels[:-500], images[-500:], labels[-500:], shape=(1, 8, 8))


def _tensors(*arrays: Any, shape: tuple[int, ...]) -> dict[str, Tensor]:
    train_images, train_labels, test_images, test_labels = (np.asarray(array) for array in arrays)
    return {
        "train_images": torch.from_numpy(train_images.astype(np.float32)).reshape(-1, *shape),
        "train_labels": torch.from_numpy(train_labels.astype(np.int64)),
        "test_images": torch.from_numpy(test_images.astype(np.float32)).reshape(-1, *shape),
        "test_labels": torch.from_numpy(test_labels.astype(np.int64)),
    }


def _torchvision(name: str, class_name: str, folder: str) -> Callable[[Path], dict[str, Tensor]]:
    """A source that reads torchvision's files in `<root>/<folder>`, or downloads them."""

    def source(root: Path) -> dict[str, Tensor]:
        import torchvision

        kind = getattr(torchvision.datasets, class_name)
        try:
            splits = [kind(root, train=train, download=False) for train in (True, False)]
        except Exception as error:  # torchvision's readers raise many kinds of error for a damaged file
            if isinstance(error, RuntimeError) and "not found" in str(error):
                return _tensors_of(_download(kind, name, root, folder))
            raise DataError(
                f"data={name}: {root / folder} cannot be read ({error}); delete it and try again"
            ) from error
        return _tensors_of(splits)

    return source


def _tensors_of(splits: list[Any]) -> dict[str, Tensor]:
    """The four tensors of torchvision's training and test set."""
    tensors = {}
    for part, split in zip(("train", "test"), splits, strict=True):
        images = torch.as_tensor(split.data)
        tensors[f"{part}_images"] = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
        tensors[f"{part}_labels"] = torch.as_tensor(split.targets).long()
    return tensors


def _download(kind: Any, name: str, root: Path, folder: str) -> list[Any]:
    """Both splits, downloaded to a temporary folder: only the prepared file is kept, complete or not at all."""
    log.info("downloading %s into %s", name, root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=root) as temporary:
            return [kind(temporary, train=train, download=True) for train in (True, False)]
    except Exception as error:  # torchvision passes on whatever error its mirrors cause
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"data={name} is not in {root} and its download failed ({reason}); put {name}.safetensors there, or"
            f" torchvision's files into {root / folder}, or name another folder with data.root=... or LTH_DATA"
        ) from error


SOURCES: dict[str, Callable[[Path], dict[str, Tensor]]] = {
    "mnist1d": mnist1d,
    "digits": digits,
    "mnist": _torchvision("mnist", "MNIST", "MNIST/raw"),
    "fashion_mnist": _torchvision("fashion_mnist", "FashionMNIST", "FashionMNIST/raw"),
    "kmnist": _torchvision("kmnist", "KMNIST", "KMNIST/raw"),
    "cifar10": _torchvision("cifar10", "CIFAR10", "cifar-10-batches-py"),
    "cifar100": _torchvision("cifar100", "CIFAR100", "cifar-100-python"),
}
"""Data set -> the function of the root folder that makes its four tensors, downloading them where it has to."""
