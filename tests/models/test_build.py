"""Networks by name."""

from dataclasses import fields

import pytest
import torch
from torch import nn

from lth.core.errors import SettingError
from lth.core.setting import marks_of
from lth.models import MODELS, SCALABLE, build
from lth.settings import ModelSettings


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


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("resnet20", 269_722),  # 274K in Frankle et al. 2020, whose shortcuts are convolutions with BatchNorm: 272,474
        ("resnet18", 11_173_962),
        ("vgg11", 9_231_114),
        ("vgg16", 14_728_266),  # 14.7M in Frankle et al. 2020, Table 1
        ("conv2", 4_301_642),  # 4.3M in Frankle & Carbin 2019, Fig. 2
        ("conv4", 2_425_930),  # 2.4M
        ("conv6", 2_262_602),  # 1.7M is printed there, which fits no reading of the figure
    ],
)
def test_the_networks_for_cifar_have_the_published_number_of_parameters(name: str, parameters: int) -> None:
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in build(name, (3, 32, 32), 10).parameters()) == parameters


@pytest.mark.parametrize("name", ["mlp", "lenet5", "resnet18"])
def test_a_width_is_for_networks_that_scale(name: str) -> None:
    known = "resnet20, vgg11, vgg16, transformer, modular_mlp"
    with pytest.raises(SettingError, match=rf"model\.width=2\.0: is for {known}; {name} has its own"):
        build(name, (3, 32, 32), 10, [4] if name == "mlp" else None, width=2.0)
    read_with = marks_of(next(x for x in fields(ModelSettings) if x.name == "width")).read_with
    assert read_with == ("name", tuple(known.split(", ")))


@pytest.mark.parametrize("name", SCALABLE)
@pytest.mark.parametrize("width", [0.25, 2.0])
def test_a_width_multiplies_the_channels_of_every_convolution(name: str, width: float) -> None:
    with torch.device("meta"):
        networks = [build(name, (3, 32, 32), 10, width=factor) for factor in (1.0, width)]
    counts = [[x.out_channels for x in network.modules() if isinstance(x, nn.Conv2d)] for network in networks]
    assert counts[1] == [width * count for count in counts[0]]


@pytest.mark.parametrize("width", [0.0, -1.0, 17.0])
def test_a_width_out_of_range_is_refused(width: float) -> None:
    with pytest.raises(SettingError, match=rf"model\.width={width}: is a factor of the channels"):
        build("vgg11", (3, 32, 32), 10, width=width)


def test_a_network_that_no_memory_holds_is_refused_before_it_is_made() -> None:
    with pytest.raises(SettingError, match=r"model.widths=\[1000000000\]: the weights would take 3,176 GB, and this"):
        build("mlp", (1, 28, 28), 10, [10**9])
