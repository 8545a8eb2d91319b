"""The spread before each activation, for networks whose spread is known; and that looking leaves no hook behind."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from lth.analysis.signal import noise, signal
from lth.core.rng import rng
from lth.core.weights import Mask
from lth.data.tensors import Data
from lth.models.initialize import initialize
from lth.models.lenet import lenet5


def test_the_spread_of_a_network_worked_out_by_hand() -> None:
    model = nn.Sequential(nn.Linear(1, 2), nn.ReLU(inplace=True), nn.Linear(2, 1, bias=False))
    state = {
        "0.weight": torch.tensor([[1.0], [-2.0]]),
        "0.bias": torch.tensor([5.0, 0.0]),
        "2.weight": torch.tensor([[1.0, 1.0]]),
    }
    spread = signal(model, state, torch.tensor([[-1.0], [1.0]]))  # hidden: 4, 2 and 6, -2; after: 4, 2 and 6, 0
    assert spread.units["0"].tolist() == [1, 2] and spread.layers["0"] == pytest.approx((8.75) ** 0.5)
    assert spread.output == spread.layers["2"] == 0 and list(spread.layers) == ["0", "2"]
    mask = {"2.weight": torch.tensor([[True, False]])}
    assert signal(model, state, torch.tensor([[-1.0], [1.0]]), mask).output == 1


def test_a_convolutions_units_are_its_channels() -> None:
    model = nn.Sequential(nn.Conv2d(1, 3, 1, bias=False), nn.Flatten())
    state = {"0.weight": torch.tensor([0.0, 1.0, -2.0]).view(3, 1, 1, 1)}
    images = noise((1, 4, 5), 50)
    spread, std = signal(model, state, images), images.double().std(correction=0).item()
    assert spread.units["0"].tolist() == pytest.approx([0, std, 2 * std]) and images.shape == (50, 1, 4, 5)
    assert spread.output == pytest.approx(spread.layers["0"]) and list(spread.layers) == ["0"]


@pytest.mark.parametrize("density", [1.0, 0.2, 0.05])
def test_a_sparsity_aware_unit_has_twice_its_mean_square_input(density: float) -> None:
    model = nn.Sequential(nn.Linear(400, 2_000))
    mask = {"0.weight": torch.rand(2_000, 400, generator=rng(0, "mask")) < density}
    mask["0.weight"][:5] = False
    images = noise((400,), 2_000) * 3  # mean square 9
    spread = signal(model, initialize(model, "sparsity_aware", 0, mask), images, mask).units["0"]
    assert not spread[:5].any()
    # one unit's variance has a relative standard error of sqrt(2 / 20) at 20 inputs, so 2,000 units' mean one of 0.7%
    assert spread[5:].square().mean().item() == pytest.approx(2 * 9, rel=0.03)


def test_a_masked_dense_draw_fades_with_sparsity_and_a_scaled_one_does_not() -> None:
    model, images = lenet5((1, 28, 28), 10), noise((1, 28, 28), 100)
    mask = {
        name: torch.rand(p.shape, generator=rng(0, name)) < 0.05 for name, p in model.named_parameters() if p.ndim > 1
    }
    dense = signal(model, initialize(model, "kaiming_normal", 0), images).output
    masked_dense, aware, scaled = (
        signal(model, initialize(model, name, 0, mask), images, mask).output
        for name in ("kaiming_normal", "sparsity_aware", "layer_scaled")
    )
    assert masked_dense < 0.01 * dense and aware > 0.3 * dense and scaled > 0.1 * dense


def test_batch_norm_normalises_by_the_batch_and_dropout_is_off(
    make_rich_network: Callable[[], nn.Module], data: Data
) -> None:
    model = make_rich_network()
    state = initialize(model, "glorot_normal", 0)
    larger = state | {"0.weight": 100 * state["0.weight"]}
    first, second = signal(model, state, data.test.images), signal(model, larger, data.test.images)
    assert second.output == pytest.approx(first.output, rel=1e-2)
    assert second.layers["0"] == pytest.approx(100 * first.layers["0"], rel=1e-5)


def test_a_layer_that_is_used_twice_is_seen_twice() -> None:
    layer = nn.Linear(1, 1, bias=False)
    model = nn.Sequential(layer, layer)
    spread = signal(model, {"0.weight": torch.tensor([[2.0]]), "1.weight": torch.tensor([[2.0]])}, torch.ones(1, 1))
    assert spread.layers == {"0": pytest.approx(1)}  # 2 and 4


def test_a_measurement_changes_nothing(
    used_network: nn.Module, unchanged: Callable[..., Any], half_mask: Callable[[nn.Module], Mask], data: Data
) -> None:
    state, mask = initialize(used_network, "glorot_normal", 1), half_mask(used_network)
    with unchanged(used_network, state, mask):
        first = signal(used_network, state, data.test.images, mask)
        with pytest.raises(RuntimeError):
            signal(used_network, state, data.test.images[:, :, :3], mask)
    assert signal(used_network, state, data.test.images, mask).output == first.output


def test_noise_is_standard_and_by_its_seed_alone() -> None:
    pixels = noise((1, 28, 28))
    assert pixels.shape == (1_000, 1, 28, 28) and abs(pixels.mean().item()) < 0.005
    assert pixels.std().item() == pytest.approx(1, abs=0.005)
    torch.rand(3)
    assert torch.equal(noise((2,), 3), noise((2,), 3)) and not torch.equal(noise((2,), 3), noise((2,), 3, seed=1))
