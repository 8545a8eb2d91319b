"""Networks by name."""

import pytest
import torch
from torch import nn

from lth.core.errors import SettingError
from lth.models import MODELS, build


@pytest.mark.parametrize("name", MODELS)
def test_every_name_builds_a_network_for_the_data(name: str) -> None:
    for shape, classes in (((1, 28, 28), 10), ((3, 32, 32), 100)):
        assert build(name, shape, classes)(torch.zeros(2, *shape)).shape == (2, classes)


def test_widths_are_for_mlp() -> None:
    assert [layer.out_features for layer in build("mlp", (4,), 3, [5, 6]) if isinstance(layer, nn.Linear)] == [5, 6, 3]


@pytest.mark.parametrize(
    ("name", "widths", "named"),
    [
        ("mlp", None, r"model\.widths=None"),
        ("mlp", [], r"model\.widths=\[\]"),
        ("mlp", [5, 0], r"model\.widths=\[5, 0\]"),
        ("lenet5", [5], r"model\.widths=\[5\]: is for model=mlp"),
        ("resnet20", [5], r"model\.widths=\[5\]: is for model=mlp"),
        ("lenet", None, "model=lenet: is no model; did you mean lenet5\\? known: mlp, lenet_300_100"),
    ],
)
def test_a_bad_choice_is_an_error_that_names_it(name: str, widths: list[int] | None, named: str) -> None:
    with pytest.raises(SettingError, match=named):
        build(name, (1, 28, 28), 10, widths)


@pytest.mark.parametrize("name", ["mlp", "lenet5", "resnet18"])
def test_a_width_is_for_resnet20(name: str) -> None:
    with pytest.raises(SettingError, match=rf"model\.width=2\.0: is for model=resnet20; {name} has its own"):
        build(name, (3, 32, 32), 10, [4] if name == "mlp" else None, width=2.0)


def test_a_network_that_no_memory_holds_is_refused_before_it_is_made() -> None:
    with pytest.raises(SettingError, match=r"model.widths=\[1000000000\]: the weights would take 3,176 GB, and this"):
        build("mlp", (1, 28, 28), 10, [10**9])
