"""Modular addition: every pair of numbers once, split at random into training and test (Power et al. 2022)."""

import torch

from lth.core.errors import SettingError
from lth.core.rng import rng
from lth.core.weights import digest
from lth.data.raw import RawData


def modular(p: int, train_fraction: float, symmetric: bool, seed: int) -> RawData:
    """The pairs (a, b) of 0..p-1, int64 (N, 2), and (a + b) mod p as the label; a pair is in one of the splits.

    symmetric: a pair counts once whatever its order, so that a <= b (the symmetric input of Minegishi et al. 2023).
    int(train_fraction * N) pairs, drawn by `seed`, are the training set; those of either set keep the table's order.

    >>> table = modular(5, 0.4, True, seed=0)
    >>> len(table["train_labels"]), len(table["test_labels"])
    (6, 9)
    """
    pairs = torch.cartesian_prod(torch.arange(p), torch.arange(p))
    pairs = pairs[pairs[:, 0] <= pairs[:, 1]] if symmetric else pairs
    labels = pairs.sum(1) % p
    count = int(train_fraction * len(pairs))
    if not 0 < count < len(pairs):
        problem = f"leaves one of the splits empty, of {len(pairs)} pairs"
        raise SettingError("data.train_fraction", train_fraction, problem)
    order = torch.randperm(len(pairs), generator=rng(seed, "modular"))
    train, test = (part.sort().values for part in (order[:count], order[count:]))
    names = {"train_images": pairs[train], "train_labels": labels[train]}
    table = RawData(names | {"test_images": pairs[test], "test_labels": labels[test]})
    # trainings on other splits of one table may be pooled, as those on other validation splits
    table.__dict__["digest"] = digest({"pairs": pairs, "labels": labels, "train": torch.tensor(count)})
    return table
