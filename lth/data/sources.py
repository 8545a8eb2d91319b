"""Where data come from: a prepared file, a generator, a download, or the user's own function.

Each source gives the four tensors of a prepared file: `train_images` uint8 or float32 (N, C, H, W), `train_labels`
int64 (N,), `test_images`, `test_labels`. What was made once lies at `<root>/<name>.safetensors` and is read from there.
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


def default_root() -> Path:
    """The folder of the prepared files: `$LTH_DATA`, else `lth` in the user's cache folder."""
    if "LTH_DATA" in os.environ:
        return Path(os.environ["LTH_DATA"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lth"


def load(name: str, root: Path | None = None) -> dict[str, Tensor]:
    """The four tensors of the data set `name`: read from the prepared file in `root`, else made and kept there.

    Raises SettingError for an unknown name; DataError for a damaged file, or data that are neither there nor to be had.
    """
    root = root or default_root()
    path = root / f"{name}.safetensors"
    if path.exists():
        return read_prepared(path)
    if name not in SOURCES:
        raise SettingError("data", name, f"unknown, and there is no {path}; known: {', '.join(SOURCES)}, own")
    tensors = SOURCES[name](root)
    try:
        with replacing(path) as temporary:
            save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, temporary)
    except LotteryError as error:
        log.warning("the prepared data are used but not kept: %s", error)
    return tensors


def read_prepared(path: Path) -> dict[str, Tensor]:
    """The four tensors of the prepared file `path`; DataError naming it where it is damaged or another file."""
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path} cannot be read ({error}); delete it to have it made again") from error
    missing = [key for key in NAMES if key not in tensors]
    if missing:
        raise DataError(f"{path} has no {missing[0]}; a prepared file holds {', '.join(NAMES)}")
    return {key: tensors[key] for key in NAMES}


def own(target: str, args: Mapping[str, Any]) -> dict[str, Tensor]:
    """The four tensors from the user's function `target` ("package.module.function"), called with `args`.

    It may return them as a mapping by name, as (train_images, train_labels, test_images, test_labels), as
    ((images, labels), (images, labels)), or as two map-style datasets (training, test); tensors or arrays.
    """
    result = call(target, args, "data")
    if isinstance(result, Mapping):
        return {key: torch.as_tensor(value) for key, value in result.items()}
    parts = tuple(result)
    if len(parts) == 2:
        parts = (*_pair(parts[0]), *_pair(parts[1]))
    if len(parts) != 4:
        raise DataError(f"data._target_={target} returned {len(parts)} values; it should give {', '.join(NAMES)}")
    return {key: torch.as_tensor(value) for key, value in zip(NAMES, parts, strict=True)}


def _pair(part: Any) -> tuple[Any, Any]:
    if isinstance(part, (tuple, list)) and len(part) == 2:
        return part[0], part[1]
    images, labels = zip(*(part[index] for index in range(len(part))), strict=True)
    return torch.stack([_image(image) for image in images]), torch.as_tensor(labels)


def _image(image: Any) -> Tensor:
    """A dataset's item as a tensor; a picture (PIL) comes as (H, W) or (H, W, C) and goes as (C, H, W)."""
    if not hasattr(image, "getbands"):
        return torch.as_tensor(image)
    values = torch.from_numpy(np.array(image))
    return values[None] if values.ndim == 2 else values.permute(2, 0, 1)


def call(target: str, args: Mapping[str, Any], group: str) -> Any:
    """What the callable `target` gives for `args`; SettingError naming `group`'s key for arguments it does not take.

    And for one that is not written in Python, which does not say what it takes.
    """
    found = resolve(target, f"{group}._target_")
    try:
        inspect.signature(found).bind(**args)
    except TypeError as error:
        raise SettingError(f"{group}.args", dict(args), f"{target}: {error}") from error
    except ValueError as error:
        raise SettingError(f"{group}._target_", target, "must be a class or function written in Python") from error
    return found(**args)


def resolve(target: str, key: str) -> Callable[..., Any]:
    """The callable that the dotted path `target` names; SettingError naming `key` where there is none."""
    module, _, attribute = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingError(
            key,
            target,
            f"cannot be imported ({error}); the current folder and installed packages are searched",
        ) from error
    if not callable(found):
        raise SettingError(key, target, "is not something that can be called")
    return found  # type: ignore[no-any-return]  # getattr gives Any


def mnist1d(root: Path) -> dict[str, Tensor]:
    """MNIST-1D (Greydanus 2020): the published 4,000 training examples, and 10,000 test examples of the generator.

    The published test set has 1,000, too few to see a point of accuracy. Ours come from the next seed and are scaled
    like the published ones.
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
    # Each call standardises its own examples and divides its time axis by the same std: t tells the ratio back. The
    # two means, which it does not tell, are those of thousands of examples of one distribution.
    ratio = float(train["t"][-1] / test["t"][-1])
    return _tensors(train["x"], train["y"], test["x_test"] * ratio, test["y_test"], shape=(1, 1, 40))


def digits(root: Path) -> dict[str, Tensor]:
    """scikit-learn's 8x8 digits, 1,797 of them, scaled to 0..1: the first 1,297 to train, the last 500 to test."""
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
    """A source that reads torchvision's files at `<root>/<folder>`, or downloads them."""

    def source(root: Path) -> dict[str, Tensor]:
        import torchvision

        kind = getattr(torchvision.datasets, class_name)
        try:
            splits = [kind(root, train=train, download=False) for train in (True, False)]
        except Exception as error:  # whatever a damaged file makes of torchvision's reader
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
    """Both splits, downloaded through a folder that goes away: what stays is the prepared file, whole or not at all."""
    log.info("downloading %s into %s", name, root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=root) as passing:
            return [kind(passing, train=train, download=True) for train in (True, False)]
    except Exception as error:  # torchvision raises whatever its mirrors gave it
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"data={name} is not in {root} and its download failed ({reason}); place {name}.safetensors, or"
            f" torchvision's files as {root / folder}, there, or name another folder with data.root=... or LTH_DATA"
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
"""By name; each makes the four tensors, downloading into `root` where it must."""
