"""Sparse weights in ordinary networks: as torch's dense layers, in any network, and never silently stale."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from lth.core.errors import LotteryError
from lth.kernels.trials import eligible
from lth.kernels.weights import SparseWeights


class Residual(nn.Module):
    """Two convolutions around a shortcut that pads channels, as in ResNets for CIFAR-10 (option A)."""

    def __init__(self, inplace=False):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(4, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.Conv2d(6, 6, 3, padding="same"), nn.BatchNorm2d(6, momentum=None)
        self.relu = nn.ReLU(inplace)

    def forward(self, x):
        outputs = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(outputs + functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1)))


class Twice(nn.Module):
    """A layer that is used two times."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(5, 5)

    def forward(self, x):
        return self.layer(torch.tanh(self.layer(x)))


def image_network(*layers):
    return lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), *layers, nn.LazyLinear(3))


NETWORKS = {
    "linear": (lambda: nn.Sequential(nn.Linear(7, 9), nn.ReLU(), nn.Linear(9, 3, bias=False)), (7,)),
    "sequence": (lambda: nn.Sequential(nn.Linear(7, 9), nn.LayerNorm(9), nn.GELU(), nn.Linear(9, 3)), (5, 7)),
    "twice": (Twice, (5,)),
    "batch norm": (lambda: nn.Sequential(nn.Linear(7, 9), nn.BatchNorm1d(9, affine=False), nn.Linear(9, 3)), (7,)),
    "untracked": (image_network(nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten()), (3, 6, 6)),
    "conv1d": (
        lambda: nn.Sequential(nn.Conv1d(3, 4, 3, 2, 1, groups=1), nn.BatchNorm1d(4), nn.Conv1d(4, 4, 2)),
        (3, 9),
    ),
    "groups": (image_network(nn.Conv2d(4, 8, (3, 1), (2, 1), dilation=2, groups=2), nn.Flatten()), (3, 9, 8)),
    "residual": (image_network(Residual(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), (3, 8, 8)),
    "in place": (image_network(nn.ReLU(inplace=True), Residual(True), nn.AvgPool2d(2), nn.Flatten()), (3, 8, 8)),
    "max pool": (image_network(nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2), nn.Flatten(1)), (3, 9, 11)),
    "other pools": (image_network(nn.MaxPool2d(2, ceil_mode=True), nn.AvgPool2d(3, 1), nn.Flatten(1)), (3, 9, 11)),
    "global": (image_network(nn.AdaptiveAvgPool2d((2, 1)), nn.Dropout(0.0), nn.Flatten(1)), (3, 4, 6)),
}


def made(name, batch=6):
    """(network of float64, the same of float32, masks, inputs)."""
    build, shape = NETWORKS[name]
    torch.manual_seed(0)
    model, images = build(), torch.randn(batch, *shape)
    model(images)  # for lazy layers
    exact = copy.deepcopy(model).double()
    masks = {name: torch.rand(p.shape) < 0.4 for name, p in model.named_parameters() if p.ndim > 1}
    for network in (model, exact):
        for key, parameter in network.named_parameters():
            parameter.data.mul_(masks.get(key, 1))
    return exact, model, masks, images


def close(result, exact):
    torch.testing.assert_close(result.double(), exact, rtol=1e-4, atol=1e-5 * (1 + float(exact.detach().abs().max())))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("batch", [6, 2])
def test_a_network_gives_what_its_dense_layers_give(name, batch):
    exact, model, masks, images = made(name, batch)
    assert set(eligible(model, masks, images).values()) == {None}
    weights = SparseWeights(model, masks)
    for train in (True, False):
        for network in (exact, model):
            network.train(train)
            network.zero_grad()
        inputs, exact_inputs = images.clone().requires_grad_(), images.double().requires_grad_()
        expected = exact(exact_inputs)
        expected.square().sum().backward()
        with weights:
            outputs = model(inputs)
            outputs.square().sum().backward()
        close(outputs, expected)
        close(inputs.grad, exact_inputs.grad)
        for key, parameter in exact.named_parameters():
            if key in masks:
                close(weights.values[key].grad, parameter.grad[masks[key]])
                assert model.get_parameter(key).grad is None
                weights.values[key].grad = None
            else:
                close(model.get_parameter(key).grad, parameter.grad)
        for buffer, exact_buffer in zip(model.buffers(), exact.buffers(), strict=True):
            close(buffer, exact_buffer.double())
    with weights, torch.no_grad():
        close(model(images), exact(images.double()))


def test_weights_are_taken_given_and_changed():
    _, model, masks, _ = made("linear")
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    weights = SparseWeights(model, masks)
    for values in weights.values.values():
        values.data.add_(1)
    weights.give()
    for name, mask in masks.items():
        assert torch.equal(model.get_parameter(name), torch.where(mask, before[name] + 1, 0.0))
    changed = {name: mask ^ (torch.rand(mask.shape) < 0.3) for name, mask in masks.items()}
    momentum = {name: values.detach() * 10 for name, values in weights.values.items()}
    leaves = dict(weights.values)
    moves = weights.change(changed)
    assert all(weights.values[name] is leaf for name, leaf in leaves.items())
    weights.give()
    for name, mask in masks.items():
        expected = torch.where(mask & changed[name], before[name] + 1, 0.0)
        assert torch.equal(model.get_parameter(name), expected)
        assert torch.equal(moves[name].applied(momentum[name]), 10 * expected[changed[name]])
    weights.take()
    assert torch.equal(weights.values["0.weight"], model[0].weight[changed["0.weight"]])


def test_changed_masks_are_used_at_once():
    exact, model, masks, images = made("residual")
    weights = SparseWeights(model, masks)
    with weights:
        model(images)
    weights.change({name: torch.ones_like(mask) for name, mask in masks.items()})
    for network in (model, exact):
        for parameter in network.parameters():
            parameter.data.fill_(0.1)
    weights.take()
    with weights:
        close(model(images), exact(images.double()))


class Regularised(nn.Linear):
    def forward(self, x):
        return super().forward(x) + self.weight.square().sum()


class Normed(nn.Linear):
    def forward(self, x):
        return functional.linear(x, torch.cat([self.weight[:1], self.weight[1:]]))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(5, 5), nn.Linear(5, 5)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(self.first(x))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x)[0]


class Viewed(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        return self.conv(x).view(len(x) * 4, -1)


class Unbatched(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x):
        return torch.stack([self.conv(image) for image in x])


def halves():
    model = nn.Linear(5, 3)
    model.weight = nn.Parameter(model.weight.detach().half())
    return model


def frozen():
    model = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 3))
    model[0].weight.requires_grad_(False)
    return model


REFUSED = {
    "read": (lambda: Regularised(5, 5), (5,), "weight", "is used by square"),
    "indexed": (lambda: Normed(5, 5), (5,), "weight", "is used by __getitem__"),
    "tied": (Tied, (5,), "first.weight", "shares its weights"),
    "attention": (Attention, (4, 6), "attention.in_proj_weight", "is used by"),
    "attention's output": (Attention, (4, 6), "attention.out_proj.weight", "is used by"),
    "parametrised": (
        lambda: nn.utils.parametrizations.weight_norm(nn.Linear(5, 5)),
        (5,),
        "parametrizations.weight.original1",
        "is used by",
    ),
    "recurrent": (lambda: nn.LSTM(5, 5, batch_first=True), (4, 5), "weight_ih_l0", "is used by lstm"),
    "view": (Viewed, (3, 4, 4), "conv.weight", "the network cannot be run with it: "),
    "unbatched": (Unbatched, (3, 4, 4), "conv.weight", "without a batch"),
    "even": (lambda: nn.Conv2d(3, 3, 2, padding="same"), (3, 4, 4), "weight", "pads unevenly"),
    "other": (lambda: nn.Conv3d(3, 3, 2), (3, 4, 4, 4), "weight", "is used by conv3d"),
    "precision": (halves, (5,), "weight", "is Parameter of torch.float16 on cpu"),
    "frozen": (frozen, (5,), "0.weight", "is frozen"),
    "script": (lambda: torch.jit.script(nn.Linear(5, 5)), (5,), "weight", "is compiled"),
    "unused": (lambda: nn.ModuleDict({"a": nn.Linear(5, 5)}), (5,), "a.weight", "cannot be run"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", REFUSED)
def test_other_uses_of_a_weight_are_found(name):
    build, shape, parameter, reason = REFUSED[name]
    model = build()
    masks = {parameter: torch.ones(dict(model.named_parameters())[parameter].shape, dtype=torch.bool)}
    assert reason in eligible(model, masks, torch.randn(3, *shape))[parameter]


@pytest.mark.parametrize("name", ["read", "indexed", "other"])
def test_an_unexpected_use_in_a_later_step_is_an_error(name):
    build, shape, parameter, _ = REFUSED[name]
    model = build()
    weights = SparseWeights(model, {parameter: torch.ones_like(model.get_parameter(parameter), dtype=torch.bool)})
    with weights, pytest.raises(LotteryError, match=r"set recipe.kernels=dense") as error:
        model(torch.randn(3, *shape))
    assert "\n" not in str(error.value)
    assert model.get_parameter(parameter).shape  # outside all is allowed


def test_what_says_nothing_of_the_values_may_be_read():
    model = nn.Linear(5, 3)
    with SparseWeights(model, {"weight": torch.ones(3, 5, dtype=torch.bool)}):
        assert model.weight.shape == model.weight.size() and model.weight.dtype == torch.float32
        assert str(model) and model.weight.device.type == "cpu" and model.weight in {model.weight}


def test_second_derivatives_are_an_error():
    model = nn.Linear(5, 3)
    x = torch.randn(4, 5, requires_grad=True)
    weights = SparseWeights(model, {"weight": torch.ones(3, 5, dtype=torch.bool)})
    with weights, pytest.raises(LotteryError, match="create_graph"):
        torch.autograd.grad(model(x).sum(), x, create_graph=True)


def test_the_trial_leaves_no_trace():
    model = nn.Sequential(nn.Linear(5, 5), nn.BatchNorm1d(5), nn.Dropout(), nn.Linear(5, 3)).eval()
    model[0].weight.grad = torch.ones(5, 5)
    masks = {"0.weight": torch.ones(5, 5, dtype=torch.bool)}
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    assert eligible(model, masks, torch.randn(4, 5)) == {"0.weight": None}
    torch.set_rng_state(state)
    torch.randn(4, 5)
    expected = torch.get_rng_state()
    torch.set_rng_state(state)
    eligible(model, masks, torch.randn(4, 5))
    assert torch.equal(torch.get_rng_state(), expected)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not model.training and model[0].weight.grad.sum() == 25 and model[3].weight.grad is None
