"""The small network gives what the masked one gives, with rewound weights and with trained ones."""

import copy
import sys
from collections.abc import Callable

import pytest
import torch
from torch import nn

from lth.compression.channels import channel_mask
from lth.compression.shrink import Removal, removal, shrunk, whole_channels
from lth.core.errors import LotteryError, SettingError
from lth.core.rng import rng
from lth.core.weights import Mask, clone, load
from lth.models import build
from lth.models.resnet import ResNet
from lth.pruning.mask import dense, prunable
from tests.networks import Net, images_to_classes, shared, tied_layers

Case = tuple[nn.Module, torch.Tensor]


def residual() -> Case:
    return ResNet(3, 5, (8, 16), 2), torch.randn(3, 3, 9, 8)


def flattened() -> Case:
    return build("lenet5", (1, 16, 16), 5), torch.randn(3, 1, 16, 16)


def depthwise() -> Case:
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(8, 4, 1), nn.Flatten(), nn.Linear(64, 3)), torch.randn(3, 3, 4, 4)


def trained(model: nn.Module) -> nn.Module:
    """`model` with weights, biases and statistics such as a training leaves behind: none of them zero."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        for name, tensor in other.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.5 if "var" in name else torch.randn_like(tensor) / 2)
    return other


def under(model: nn.Module, mask: Mask) -> nn.Module:
    masked = copy.deepcopy(model)
    load(masked, clone(model.state_dict()), mask)
    return masked.eval()


def full_mask(model: nn.Module) -> Mask:
    return dense(prunable(model))


@pytest.mark.parametrize(("case", "norm"), [(residual, 2), (flattened, 1), (depthwise, 2)])
def test_a_channel_mask_shrinks_rewound_and_trained_networks_alike(case: Callable[[], Case], norm: int) -> None:
    rewound, images = case()
    before = clone(rewound.state_dict())
    mask = channel_mask(rewound, images, 0.5, norm=norm, round_to=2)
    removed = removal(rewound, mask, images)
    assert removed.count and not removed.stay
    shapes = []
    for model in (rewound, trained(rewound)):
        small = shrunk(model, mask, images, removed)
        inputs = torch.randn_like(images)
        torch.testing.assert_close(small.eval()(inputs), under(model, mask)(inputs), atol=1e-4, rtol=1e-4)
        shapes.append({name: tensor.shape for name, tensor in small.state_dict().items()})
        assert all(x.requires_grad and x.grad is None for x in small.parameters())
    assert shapes[0] == shapes[1]
    after = rewound.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before), "the model is as it was"


def test_the_survivors_are_bit_equal_and_as_many_as_asked() -> None:
    model, images = flattened()
    mask = channel_mask(model, images, 0.5)
    small = shrunk(model, mask, images)
    assert [len(layer.weight) for layer in small if hasattr(layer, "weight")] == [3, 8, 60, 42, 5]
    kept = mask["conv1.weight"].flatten(1).any(1)
    assert torch.equal(small.conv1.weight, model.conv1.weight[kept])
    assert torch.equal(small.conv1.bias, model.conv1.bias[kept])


def test_importance_is_the_group_norm() -> None:
    """The channel with the smallest weights goes, where making and reading it count together."""
    model = nn.Sequential(nn.Linear(4, 3, bias=False), nn.Linear(3, 4, bias=False))
    with torch.no_grad():
        model[0].weight.fill_(1)
        model[1].weight.fill_(1)
        model[0].weight[0] = 0.5  # the least made, but the most read
        model[1].weight[:, 0] = 3
        model[1].weight[:, 1] = 0.5
    mask = channel_mask(model, torch.zeros(1, 4), 0.3)
    assert mask["0.weight"].any(1).tolist() == [True, False, True] == mask["1.weight"].any(0).tolist()


def test_channels_that_nothing_reads_go_whatever_they_carry() -> None:
    model, images = residual()
    model, mask = trained(model), full_mask(model)
    mask["layer1.0.conv2.weight"][:, 3] = False
    removed = removal(model, mask, images)
    assert removed == Removal({"layer1.0.conv1": [3]})
    small = shrunk(model, mask, images, removed)
    torch.testing.assert_close(small.eval()(images), under(model, mask)(images), atol=1e-4, rtol=1e-4)


def test_what_a_dead_channel_carries_moves_into_the_next_bias() -> None:
    """LeNet5 pads nothing: the bias of a channel without weights, after ReLU, pooling and flattening, is a constant."""
    model, images = flattened()
    model, mask = trained(model), full_mask(model)
    mask["conv1.weight"][[1, 4]] = mask["conv2.weight"][3] = mask["fc1.weight"][7] = False
    removed = removal(model, mask, images)
    assert removed == Removal({"conv1": [1, 4], "conv2": [3], "fc1": [7]})
    small = shrunk(model, mask, images)
    assert small.fc1.in_features == 15 and small.conv2.in_channels == 4
    inputs = torch.randn_like(images)
    torch.testing.assert_close(small(inputs), under(model, mask)(inputs), atol=1e-4, rtol=1e-4)


def test_a_constant_at_a_padded_convolution_stays_unless_it_is_zero() -> None:
    rewound, images = residual()
    mask = full_mask(rewound)
    mask["layer1.0.conv1.weight"][2] = False
    removed = removal(rewound, mask, images)
    assert removed == Removal({"layer1.0.conv1": [2]}), "BatchNorm starts at zero, and so does a dead channel"
    model = trained(rewound)
    with torch.no_grad():
        model.layer1[0].bn1.bias[2] = 9
    assert removal(model, mask, images) == Removal({}, stay=1)
    with pytest.raises(LotteryError, match="differs from the masked one"):
        shrunk(model, mask, images, removed)
    both = whole_channels(model, mask, images)
    assert not both["layer1.0.conv2.weight"][:, 2].any()
    assert sum(int((mask[name] & ~both[name]).sum()) for name in mask) == 8 * 9
    assert removal(model, both, images) == removed
    shrunk(model, both, images, removed)


def test_half_of_an_unstructured_mask_removes_nothing(half_mask: Callable[[nn.Module], Mask]) -> None:
    model, images = flattened()
    mask = half_mask(model)
    mask["output.weight"][:] = True  # five classes alone would leave some units unread
    assert removal(model, mask, images) == Removal({})


def test_a_layer_removed_whole_and_bad_values_are_named() -> None:
    model, images = flattened()
    mask = full_mask(model)
    mask["fc2.weight"][:] = False
    with pytest.raises(LotteryError, match="fc2 would lose all channels: the mask keeps none of its 84"):
        removal(model, mask, images)
    for share in (0.0, 1.0, -1):
        with pytest.raises(SettingError, match=f"share={share}"):
            channel_mask(model, images, share)
    with pytest.raises(SettingError, match="norm=3: must be 1 or 2"):
        channel_mask(model, images, 0.5, norm=3)
    with pytest.raises(SettingError, match="ignore=nothing: matches none of conv1, conv2"):
        channel_mask(model, images, 0.5, ignore=["nothing"])
    with pytest.raises(LotteryError, match="the mask does not fit"):
        removal(model, {"conv1.weight": torch.ones(2, dtype=torch.bool)}, images)
    kept = channel_mask(model, images, 0.5, ignore=["conv*"])
    assert kept["conv1.weight"].all() and kept["conv2.weight"].all() and not kept["fc1.weight"].all()


@pytest.mark.parametrize("classifier", [nn.Conv2d(8, 4, 1), nn.ConvTranspose2d(8, 4, 2)])
def test_channels_that_are_the_classes_stay(classifier: nn.Module) -> None:
    """Also where the classifier is a convolution that is defined first."""
    model, images = images_to_classes(classifier), torch.randn(2, 3, 8, 8, generator=rng(0))
    mask = channel_mask(model, images, 0.5)
    axis = int(isinstance(classifier, nn.ConvTranspose2d))
    assert mask["classifier.weight"].movedim(axis, 0).flatten(1).any(1).all()
    assert int(mask["features.weight"].flatten(1).any(1).sum()) == 4
    assert shrunk(model, mask, images)(images).shape == (2, 4)


def test_channels_of_a_shared_weight_are_not_removed_and_others_are() -> None:
    model, inputs = tied_layers(), torch.randn(4, 12, generator=rng(0))
    mask = full_mask(model)
    mask["a.weight"][3] = mask["a.weight"][:, 3] = False
    with pytest.raises(LotteryError, match=r"b\.weight is a\.weight too"):
        shrunk(model, whole_channels(model, mask, inputs), inputs)
    with pytest.raises(LotteryError, match="shares its weight with another layer"):
        channel_mask(model, inputs, 0.5)
    wide = shared(
        Net(
            lambda net, x: net.out(torch.relu(net.hidden(torch.relu(net.b(torch.relu(net.a(x))))))),
            **{name: nn.Linear(12, 12) for name in ("a", "b")},
            hidden=nn.Linear(12, 9),
            out=nn.Linear(9, 4),
        ),
        "a.weight",
        "b",
    )
    mask = full_mask(wide)
    mask["out.weight"][:, 2] = False  # nothing takes this hidden unit
    small = shrunk(wide, mask, inputs)
    assert small.hidden.out_features == 8 and small.b.weight is small.a.weight


def test_a_missing_extra_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    model, images = flattened()
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    with pytest.raises(LotteryError, match=r"torch-pruning is not installed: pip install 'lth\[structured\]'"):
        removal(model, full_mask(model), images)
