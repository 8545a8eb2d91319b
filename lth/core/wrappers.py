"""Modules that wrap a network to run it otherwise, and the prefixes that they put before the names of its tensors."""

from collections.abc import Collection, Mapping
from typing import TypeVar

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

T = TypeVar("T")
COMPILED, PARALLEL = "_orig_mod.", "module."
"""The prefixes of `torch.compile`, and of DataParallel and DistributedDataParallel."""


def bare(model: nn.Module) -> nn.Module:
    """The network inside of `torch.compile`, DataParallel and DistributedDataParallel; `model` itself without them.

    >>> bare(DataParallel(nn.Linear(2, 2)))
    Linear(in_features=2, out_features=2, bias=True)
    """
    while True:
        if isinstance(model, (DataParallel, DistributedDataParallel)):
            model = model.module
        elif isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
            model = inner
        else:
            return model


def with_names_of(tensors: Mapping[str, T], names: Collection[str]) -> dict[str, T]:
    """`tensors` by their names without the prefixes of wrappers, where those and not the present ones are in `names`.

    >>> with_names_of({"module._orig_mod.weight": 1}, ["weight", "bias"])
    {'weight': 1}
    """
    if all(name in names for name in tensors):
        return dict(tensors)
    renamed = {name.replace(COMPILED, ""): value for name, value in tensors.items()}
    while renamed and all(name.startswith(PARALLEL) for name in renamed) and not any(name in names for name in renamed):
        renamed = {name.removeprefix(PARALLEL): value for name, value in renamed.items()}
    return renamed if len(renamed) == len(tensors) and any(name in names for name in renamed) else dict(tensors)
