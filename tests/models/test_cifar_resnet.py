"""ResNet-20 has the published size, whatever its width the published form, and shortcuts without parameters."""

import pytest
import torch
from torch import nn

from lth.core.errors import SettingError
from lth.models import build
from lth.models.cifar_resnet import CHANNELS, PaddedShortcut
from lth.pruning.mask import prunable


def test_it_has_the_published_number_of_parameters() -> None:
    """He et al. 2016, Table 6: 0.27M. By hand: convolutions 267,696, BatchNorm 1,376, the linear layer 650."""
    model = build("resnet20", (3, 32, 32), 10)
    assert sum(parameter.numel() for parameter in model.parameters()) == 269_722
    layers = prunable(model)
    assert [layer.kind for layer in layers].count("conv") == 19 and len(layers) == 20
    assert sum(layer.size for layer in layers if layer.kind == "conv") == 267_696
    assert not any("downsample" in name for name in model.state_dict())


@pytest.mark.parametrize(("width", "channels"), [(0.5, (8, 16, 32)), (1.0, CHANNELS), (4.0, (64, 128, 256))])
def test_a_width_multiplies_the_channels_of_every_stage(width: float, channels: tuple[int, ...]) -> None:
    model = build("resnet20", (3, 32, 32), 10, width=width)
    images = torch.relu(model.bn1(model.conv1(torch.zeros(1, 3, 32, 32))))
    for number, (count, side) in enumerate(zip(channels, (32, 16, 8), strict=True), start=1):
        images = model.get_submodule(f"layer{number}")(images)
        assert images.shape == (1, count, side, side)
    convolutions = sum(x.weight.numel() for x in model.modules() if isinstance(x, nn.Conv2d))
    stem = 9 * 3 * channels[0]
    assert convolutions == stem + width**2 * (267_696 - 9 * 3 * 16)


def test_a_shortcut_takes_every_second_pixel_and_adds_channels_of_zeros() -> None:
    images = torch.randn(2, 4, 5, 8)
    outputs = PaddedShortcut(4, 10, 2)(images)
    assert outputs.shape == (2, 10, 3, 4) and torch.equal(outputs[:, :4], images[:, :, ::2, ::2])
    assert not outputs[:, 4:].any() and not list(PaddedShortcut(4, 10, 2).parameters())


@pytest.mark.parametrize("shape", [(3, 3, 32), (40,)])
def test_an_input_that_is_too_small_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(SettingError, match="model=resnet20: needs images"):
        build("resnet20", shape, 10)
