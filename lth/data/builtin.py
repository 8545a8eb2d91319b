"""The built-in data sets: generated, from scikit-learn, or from torchvision's files and downloads."""

import logging
import random
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lth.core.errors import DataError

log = logging.getLogger(__name__)

MNIST1D_TEST = 10_000
"""Test examples of MNIST-1D."""


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
