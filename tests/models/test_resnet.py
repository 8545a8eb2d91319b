"""ResNet-18 for small images is torchvision's but for its stem."""

import pytest
import torch
from torch import nn
from torchvision.models import resnet18 as of_torchvision

from lth.core.errors import SettingError
from lth.models import build
from lth.models.resnet import ResNet


def test_the_weights_fit_torchvision_s_and_give_the_same_logits() -> None:
    theirs = of_torchvision(num_classes=10)
    theirs.conv1, theirs.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    ours = build("resnet18", (3, 32, 32), 10)
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 11, 8)
    assert torch.equal(ours.eval()(images), theirs.eval()(images))
    assert sum(parameter.numel() for parameter in ours.parameters()) == 11_173_962


def test_a_block_halves_the_image_and_widens() -> None:
    model = ResNet(1, 3, (4, 8), 1)
    assert model.layer2(torch.zeros(2, 4, 7, 6)).shape == (2, 8, 4, 3)
    assert model(torch.zeros(2, 1, 7, 6)).shape == (2, 3)


def test_an_input_that_is_too_small_is_named() -> None:
    with pytest.raises(SettingError, match="model=resnet18: needs images"):
        build("resnet18", (1, 1, 40), 10)
