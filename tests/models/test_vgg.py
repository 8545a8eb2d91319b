"""VGG-11 and VGG-16 have the form of OpenLTH: so many convolutions, each with BatchNorm, and one linear layer."""

import pytest
import torch
from torch import nn

from lth.core.errors import SettingError
from lth.models import build
from lth.pruning.mask import prunable


@pytest.mark.parametrize(("name", "weights"), [("vgg11", 9_217_728), ("vgg16", 14_710_464)])
def test_the_form_is_that_of_the_authors_code(name: str, weights: int) -> None:
    model = build(name, (3, 32, 32), 10, width=1 / 16)
    kinds = [layer.kind for layer in prunable(model)]
    assert kinds == ["conv"] * (int(name[3:]) - 3) + ["output"]
    assert [x.num_features for x in model.modules() if isinstance(x, nn.BatchNorm2d)] == [
        x.out_channels for x in model.modules() if isinstance(x, nn.Conv2d)
    ]
    images = torch.randn(2, 3, 32, 32)
    features = model.layers(images)
    assert features.shape == (2, 32, 2, 2)
    pooled = nn.functional.avg_pool2d(features, 2).flatten(1)  # on 32x32 the mean over positions is this pooling
    assert torch.allclose(model.fc(pooled), model(images), atol=1e-5)
    with torch.device("meta"):
        whole = build(name, (3, 32, 32), 10)
    assert sum(x.weight.numel() for x in whole.modules() if isinstance(x, nn.Conv2d)) == weights


def test_an_input_that_is_too_small_is_named() -> None:
    with pytest.raises(SettingError, match="model=vgg16: needs images"):
        build("vgg16", (3, 15, 32), 10)
