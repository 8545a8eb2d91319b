"""Initial weights: the papers' spread, by seed and name alone."""

from collections import OrderedDict
from collections.abc import Callable
from itertools import pairwise
from math import sqrt

import pytest
import torch
from torch import nn

from lth.core.errors import LotteryError
from lth.core.rng import global_rng
from lth.core.weights import clone, digest
from lth.models.initialize import INITIALIZERS, check_redrawn, initialize


def model_of(*widths: int) -> nn.Module:
    layers = {f"fc{number}": nn.Linear(*pair) for number, pair in enumerate(pairwise(widths))}
    return nn.Sequential(OrderedDict(layers))


SPREAD = {
    "glorot_normal": lambda fan_in, fan_out: sqrt(2 / (fan_in + fan_out)),
    "glorot_uniform": lambda fan_in, fan_out: sqrt(2 / (fan_in + fan_out)),
    "kaiming_normal": lambda fan_in, fan_out: sqrt(2 / fan_in),
}


@pytest.mark.parametrize("name", SPREAD)
def test_weights_have_the_spread_of_the_paper(name: str) -> None:
    linear = initialize(nn.Linear(200, 100), name, 0)["weight"]
    assert linear.std().item() == pytest.approx(SPREAD[name](200, 100), rel=0.02)
    conv = initialize(nn.Conv2d(16, 32, (3, 5)), name, 0)["weight"]
    assert conv.std().item() == pytest.approx(SPREAD[name](16 * 15, 32 * 15), rel=0.04)
    for weight in (linear, conv):
        assert abs(weight.mean().item()) < 4 * weight.std().item() / sqrt(weight.numel())


def test_normal_has_tails_and_uniform_a_bound() -> None:
    bound = sqrt(6 / 300)
    uniform = initialize(nn.Linear(200, 100), "glorot_uniform", 0)["weight"]
    assert uniform.abs().max().item() <= bound and uniform.abs().max().item() > 0.99 * bound
    assert initialize(nn.Linear(200, 100), "glorot_normal", 0)["weight"].abs().max().item() > bound


def test_biases_are_zero_and_norms_ones_and_zeros() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Linear(3, 2))
    with torch.no_grad():
        for tensor in (*model.parameters(), model[1].running_mean, model[1].running_var):
            tensor.fill_(7)
    state = initialize(model, "glorot_normal", 0)
    assert not state["0.bias"].any() and not state["2.bias"].any()
    assert state["1.weight"].tolist() == [1] * 3 == state["1.running_var"].tolist()
    assert not state["1.bias"].any() and not state["1.running_mean"].any() and state["1.num_batches_tracked"] == 0


@pytest.mark.parametrize("name", INITIALIZERS)
def test_a_state_is_drawn_by_its_seed_alone(name: str, make_rich_network: Callable[[], nn.Module]) -> None:
    model = make_rich_network()
    first = digest(initialize(model, name, 3))
    torch.rand(9)
    assert digest(initialize(make_rich_network(), name, 3)) == first != digest(initialize(model, name, 4))


@pytest.mark.parametrize("name", INITIALIZERS)
def test_a_layer_is_drawn_by_its_own_name_alone(name: str) -> None:
    one = initialize(model_of(5, 6, 7), name, 0)
    assert torch.equal(one["fc1.weight"], initialize(model_of(3, 6, 7), name, 0)["fc1.weight"])
    twins = initialize(model_of(6, 6, 6), name, 0)
    assert not torch.equal(twins["fc0.weight"], twins["fc1.weight"])


@pytest.mark.parametrize("name", INITIALIZERS)
def test_model_and_global_generator_are_left_as_they_were(
    name: str, make_rich_network: Callable[[], nn.Module]
) -> None:
    model = make_rich_network()
    before, generator = clone(model.state_dict()), torch.get_rng_state()
    initialize(model, name, 0)["0.weight"].zero_()
    assert digest(model.state_dict()) == digest(before) and torch.equal(torch.get_rng_state(), generator)
    assert model.training


def test_the_default_is_each_layers_own_reset_parameters() -> None:
    model = model_of(5, 6, 7)
    state = initialize(model, "default", 2)
    for name, layer in model.named_children():
        with global_rng(2, "init", name):
            layer.reset_parameters()
        assert torch.equal(state[f"{name}.weight"], layer.weight) and torch.equal(state[f"{name}.bias"], layer.bias)
        assert layer.bias.any()


def test_a_weight_that_is_not_redrawn_is_an_error() -> None:
    class Fixed(nn.Linear):
        def reset_parameters(self) -> None:
            with torch.no_grad():
                self.weight.fill_(1)
                self.bias.zero_()

    model = nn.Sequential(nn.Linear(2, 2), Fixed(2, 2))
    names = ["0.weight", "1.weight"]
    with pytest.raises(LotteryError, match=r"1\.weight was not redrawn"):
        check_redrawn(model, initialize(model, "default", 0), initialize(model, "default", 1), names)
    check_redrawn(model, initialize(model, "glorot_normal", 0), initialize(model, "glorot_normal", 1), names)
