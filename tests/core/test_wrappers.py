"""What runs a network otherwise is taken off, and its prefixes from the names of tensors."""

import pytest
import torch
from torch import nn

from lth.core.wrappers import bare, with_names_of

NAMES = ("0.weight", "0.bias", "1.module.weight")


def test_the_network_inside_is_what_is_given() -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    compiled = torch.compile(model)
    for wrapped in (model, compiled, nn.DataParallel(model), nn.DataParallel(compiled)):
        assert bare(wrapped) is model


@pytest.mark.parametrize(
    "prefix", ["", "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "module." * 2]
)
def test_prefixes_go_where_names_are_known_without_them(prefix: str) -> None:
    tensors = {prefix + name: number for number, name in enumerate(NAMES)}
    assert with_names_of(tensors, NAMES) == dict(zip(NAMES, range(3), strict=True))


def test_other_names_stay() -> None:
    for tensors, names in (
        ({"module.weight": 1}, ["module.weight"]),
        ({"module.weight": 1, "bias": 2}, ["weight", "bias"]),
        ({"module.weight": 1}, ["other"]),
        ({}, ["weight"]),
    ):
        assert with_names_of(tensors, names) == tensors
