"""Initial weights: the papers' spread, by seed and name alone; under a mask by what it keeps."""

from collections import OrderedDict
from collections.abc import Callable
from itertools import pairwise
from math import sqrt

import pytest
import torch
from torch import nn

from lth.core.errors import LotteryError
from lth.core.rng import global_rng, rng
from lth.core.weights import Mask, clone, digest
from lth.models.fans import sparse_fans
from lth.models.initialize import INITIALIZERS, check_redrawn, initialize, needs_mask


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


DRAWS = {
    "glorot_normal": lambda shape, fans, generator: torch.randn(shape, generator=generator) * sqrt(2 / sum(fans)),
    "glorot_uniform": lambda shape, fans, generator: (
        (torch.rand(shape, generator=generator) * 2 - 1) * sqrt(6 / sum(fans))
    ),
    "kaiming_normal": lambda shape, fans, generator: torch.randn(shape, generator=generator) * sqrt(2 / fans[0]),
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_dense_draw_is_its_formula_to_the_last_bit_whatever_the_mask(name: str) -> None:
    """The answers in old stores hang on these bits."""
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 3))
    for mask in (None, {"0.weight": torch.zeros(4, 1, 3, 3, dtype=torch.bool)}):
        state = initialize(model, name, 5, mask)
        for layer, fans in (("0", (9, 36)), ("3", (64, 3))):
            shape = state[f"{layer}.weight"].shape
            expected = DRAWS[name](shape, fans, rng(5, "init", layer, "weight"))
            assert torch.equal(state[f"{layer}.weight"], expected)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_a_state_is_drawn_by_its_seed_alone(name: str, make_rich_network: Callable[[], nn.Module]) -> None:
    model = make_rich_network()
    first = digest(initialize(model, name, 3))
    torch.rand(9)
    assert digest(initialize(make_rich_network(), name, 3)) == first != digest(initialize(model, name, 4))


def test_uniform_gamma_draws_the_scales_of_batchnorm_and_leaves_all_else_to_its_base() -> None:
    model = nn.Sequential(nn.Conv2d(1, 400, 3), nn.BatchNorm2d(400), nn.LayerNorm(4))
    drawn, base = (initialize(model, name, 5) for name in ("kaiming_normal_uniform_gamma", "kaiming_normal"))
    scales = drawn.pop("1.weight")
    assert 0 <= scales.min() < 0.02 and 0.98 < scales.max() < 1 and abs(scales.mean() - 0.5) < 0.05
    assert torch.equal(base.pop("1.weight"), torch.ones(400)) and digest(drawn) == digest(base)


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


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("norm", [nn.utils.weight_norm, nn.utils.parametrizations.weight_norm])
def test_a_parametrised_weight_that_is_not_redrawn_is_an_error_too(norm: Callable[[nn.Module], nn.Module]) -> None:
    model = nn.Sequential(nn.Linear(2, 2), norm(nn.Linear(2, 2)))
    with pytest.raises(LotteryError, match=r"1\..* was not redrawn"):
        check_redrawn(model, initialize(model, "default", 0), initialize(model, "default", 1), ["0.weight"])


SPARSE = [name for name in INITIALIZERS if needs_mask(name)]
FANS = {
    "sparsity_aware": lambda fan_in, fan_out: 2 / fan_in,
    "sparsity_aware_fan_out": lambda fan_in, fan_out: 2 / fan_out,
    "sparsity_aware_average": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
}
WHOLE = {
    "sparsity_aware": "kaiming_normal",
    "sparsity_aware_average": "glorot_normal",
    "layer_scaled": "kaiming_normal",
    "sparsity_aware_average_uniform": "glorot_uniform",
    "layer_scaled_glorot_uniform": "glorot_uniform",
}


def by_chance(shape: tuple[int, ...], density: float) -> torch.Tensor:
    return torch.rand(shape, generator=rng(0, "kept")) < density


def test_the_fans_of_a_linear_layer_and_of_convolutions_by_hand() -> None:
    kept = torch.tensor([[1, 1, 0], [0, 1, 0]]).bool()
    fan_in, fan_out = sparse_fans(nn.Linear(3, 2), kept)
    assert fan_in.tolist() == [[2] * 3, [1] * 3] and fan_out.tolist() == [[1, 2, 0]] * 2
    kernel = torch.zeros(2, 3, 2, 2).bool()
    kernel[0, 0], kernel[0, 2, 0, 0], kernel[1, 2, 0] = True, True, True
    fan_in, fan_out = sparse_fans(nn.Conv2d(3, 2, 2), kernel)
    assert fan_in[:, 0, 0, 0].tolist() == [5, 2] and fan_out[0, :, 1, 1].tolist() == [4, 0, 3]
    assert fan_in.shape == fan_out.shape == kernel.shape
    fan_in, fan_out = sparse_fans(nn.ConvTranspose2d(2, 3, 2), kernel)  # (in, out, ...)
    assert fan_out[:, 0, 0, 0].tolist() == [5, 2] and fan_in[0, :, 1, 1].tolist() == [4, 0, 3]


def test_the_fans_of_a_grouped_convolution_are_of_its_group() -> None:
    layer, kept = nn.Conv1d(4, 6, 3, groups=2), by_chance((6, 2, 3), 0.5)
    fan_in, fan_out = sparse_fans(layer, kept)
    dense = torch.zeros(6, 4, 3).bool()  # the same layer without groups
    dense[:3, :2], dense[3:, 2:] = kept[:3], kept[3:]
    expected_in, expected_out = sparse_fans(nn.Conv1d(4, 6, 3), dense)
    assert torch.equal(fan_in[:, 0, 0], expected_in[:, 0, 0])
    assert torch.equal(torch.cat([fan_out[0, :, 0], fan_out[3, :, 0]]), expected_out[0, :, 0])


@pytest.mark.parametrize("uniform", [False, True])
@pytest.mark.parametrize("name", FANS)
def test_each_connection_has_the_variance_of_its_fan(name: str, uniform: bool) -> None:
    initializer = f"{name}_uniform" if uniform else name
    for layer, kept in (
        (nn.Linear(300, 200), by_chance((200, 300), 0.1)),
        (nn.Conv2d(20, 40, 5), by_chance((40, 20, 5, 5), 0.1)),
    ):
        variance = FANS[name](*sparse_fans(layer, kept))
        scaled = (initialize(layer, initializer, 0, {"weight": kept})["weight"] / variance.sqrt())[kept]
        # 2,000 or 6,000 weights: a standard error of 2.3% or less; for a uniform law, less
        assert scaled.std().item() == pytest.approx(1, rel=0.05) and abs(scaled.mean().item()) < 0.05
        assert (scaled.abs().max().item() <= sqrt(3) * 1.000001) == uniform


def test_every_unit_of_a_sparse_layer_hears_as_much() -> None:
    """Rows of very different fan-in: the variance of what a unit sums up is twice the mean square of its input."""
    kept = torch.rand(200, 784, generator=rng(0)) < torch.linspace(0.02, 1, 200)[:, None]
    draws = [initialize(nn.Linear(784, 200), "sparsity_aware", seed, {"weight": kept})["weight"] for seed in range(60)]
    heard = torch.stack([(weight * kept).square().sum(1) for weight in draws]).mean(
        0
    )  # 60 draws of at least 10 weights
    assert heard.mean().item() == pytest.approx(2, rel=0.01)
    assert heard.min() > 1.5 and heard.max() < 2.5  # the sparsest unit's standard error is 0.12


@pytest.mark.parametrize("name", WHOLE)
def test_with_a_whole_mask_or_none_they_are_the_dense_initialisers(name: str) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(72, 5))
    full_mask = {"0.weight": torch.ones(8, 3, 3, 3).bool(), "2.weight": torch.ones(5, 72).bool()}
    dense = initialize(model, WHOLE[name], 1)
    for mask in (None, {}, full_mask):
        state = initialize(model, name, 1, mask)
        assert all(torch.allclose(state[key], dense[key], rtol=1e-6, atol=0) for key in dense)


@pytest.mark.parametrize("name", SPARSE)
def test_another_mask_changes_the_scale_alone(name: str) -> None:
    layer, kept = nn.Linear(50, 40), by_chance((40, 50), 0.3)
    dense, sparse = (initialize(layer, name, 0, mask)["weight"] for mask in (None, {"weight": kept}))
    ratio = sparse / dense
    assert bool((ratio > 0).all()) and not torch.equal(dense, sparse)
    if name.startswith("layer_scaled"):
        assert ratio.flatten().tolist() == pytest.approx([1 / sqrt(kept.double().mean().item())] * 2_000, rel=1e-5)


@pytest.mark.parametrize("name", SPARSE)
def test_a_unit_with_nothing_left_stays_finite(name: str) -> None:
    kept = by_chance((6, 9), 0.5)
    kept[2], kept[:, 4] = False, False
    state = initialize(nn.Linear(9, 6), name, 0, {"weight": kept})
    assert all(bool(tensor.isfinite().all()) for tensor in state.values()) and not state["bias"].any()


@pytest.mark.parametrize("name", SPARSE)
def test_a_collapsed_layer_and_another_models_mask_are_one_clear_line(
    name: str, make_network: Callable[[], nn.Module], half_mask: Callable[[nn.Module], Mask]
) -> None:
    model = make_network()
    mask, before = half_mask(model), digest(model.state_dict())
    with pytest.raises(LotteryError, match=r"layer collapse: the mask keeps none of the 96 weights of fc2\.weight"):
        initialize(model, name, 0, mask | {"fc2.weight": torch.zeros(8, 12, dtype=torch.bool)})
    with pytest.raises(LotteryError, match=r"fc2\.weight is \(12, 8\), the model has \(8, 12\)"):
        initialize(model, name, 0, mask | {"fc2.weight": mask["fc2.weight"].T})
    with pytest.raises(LotteryError, match=r"conv1\.weight is \(1,\), the model has nothing of that name"):
        initialize(model, name, 0, mask | {"conv1.weight": torch.ones(1, dtype=torch.bool)})
    assert digest(model.state_dict()) == before


def test_a_tensor_of_two_names_has_its_one_mask() -> None:
    model = model_of(4, 4, 4)
    model.fc1.weight = model.fc0.weight
    kept = torch.eye(4).bool()  # one input a unit: variance 2
    state = initialize(model, "sparsity_aware", 0, {"fc0.weight": kept})
    drawn = torch.randn(4, 4, generator=rng(0, "init", "fc1", "weight")) * sqrt(2)
    assert torch.allclose(state["fc1.weight"], drawn) and torch.equal(state["fc0.weight"], state["fc1.weight"])
