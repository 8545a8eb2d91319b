"""Counts agree with closed forms, and the ratios with ShrinkBench's definitions."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from lth.compression.cost import layer_rows, nonzero_mask
from lth.compression.measure import compression_ratio, counts, theoretical_speedup, training_flops
from lth.core.errors import LotteryError
from lth.core.weights import Mask, clone, load
from lth.models import build
from lth.pruning.mask import density
from tests.networks import SHARED

LENET5 = {"conv1": 25 * 6 * 24**2, "conv2": 6 * 25 * 16 * 8**2, "fc1": 256 * 120, "fc2": 120 * 84, "output": 84 * 10}


def test_the_flops_of_lenet5_are_twice_its_multiply_adds() -> None:
    counted = counts(build("lenet5", (1, 28, 28), 10), torch.zeros(3, 1, 28, 28))
    assert {layer.layer: layer.flops for layer in counted.layers} == {name: 2 * count for name, count in LENET5.items()}
    assert (counted.parameters, counted.flops) == (44_190 + 236, 2 * sum(LENET5.values()))


def test_a_grouped_and_a_transposed_convolution_count_their_products() -> None:
    model = nn.Sequential(nn.Conv2d(4, 8, 3, groups=2, bias=False), nn.ConvTranspose2d(8, 2, 2, stride=2, bias=False))
    counted = counts(model, torch.zeros(1, 4, 6, 6))
    assert [layer.flops for layer in counted.layers] == [2 * 8 * 2 * 9 * 16, 2 * 8 * 2 * 4 * 16]


def test_ratios_are_those_of_shrinkbench(half_mask: Callable[[nn.Module], Mask]) -> None:
    """Compression counts every parameter that is not zero, biases too; the speed-up weighs each layer by its FLOPs."""
    model = build("lenet_300_100", (1, 28, 28), 10)
    dense = counts(model, torch.zeros(1, 1, 28, 28))
    kept = {"fc1": 50_000, "fc2": 5_500, "output": 594}
    with torch.no_grad():
        for name, module in model.named_children():
            if isinstance(module, nn.Linear):
                module.weight.fill_(0).view(-1)[: kept[name]] = 1
                module.bias.fill_(1)
    sparse = counts(model, torch.zeros(1, 1, 28, 28))
    assert sparse.nonzero == 56_094 + 410
    assert compression_ratio(dense, sparse) == pytest.approx(266_610 / (56_094 + 410))
    assert theoretical_speedup(dense, sparse) == pytest.approx(266_200 / 56_094)
    assert sparse.density == pytest.approx(56_094 / 266_200)


def test_a_shared_parameter_counts_once_and_runs_twice() -> None:
    model = nn.Sequential(nn.Linear(5, 5, bias=False), nn.Linear(5, 5, bias=False))
    model[1].weight = model[0].weight
    counted = counts(model, torch.zeros(1, 5))
    assert counted.parameters == 25 and counted.nonzero == 25


def test_a_training_iteration_is_forward_and_backward() -> None:
    """The backward pass takes each product twice, but for the first layer, whose input needs no gradient."""
    model, images = nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 3)), torch.randn(4, 7)
    before = [parameter.clone() for parameter in model.parameters()]
    assert training_flops(model, images, torch.zeros(4, dtype=torch.long)) == 2 * 4 * (2 * 35 + 3 * 15)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(x, y) for x, y in zip(before, model.parameters(), strict=True))


def test_an_input_or_a_model_that_cannot_be_counted_is_named() -> None:
    with pytest.raises(LotteryError, match=r"inputs of shape \(4,\)"):
        counts(nn.Linear(5, 2), torch.zeros(1, 4))
    with pytest.raises(LotteryError, match="no Linear layer"):
        counts(nn.BatchNorm1d(4), torch.zeros(2, 4))


@pytest.mark.parametrize(
    ("kind", "products"),
    [
        ("two layers", 3 * 12 * 12 + 12 * 4),
        ("an embedding and the output", 16 * 16 + 16 * 12),
        ("a layer and a bare parameter", 12 * 10 + 10 * 4),
        ("one layer twice", 2 * 12 * 12 + 12 * 4),
    ],
)
def test_a_shared_weight_counts_once_in_parameters_and_density_and_in_each_layers_flops(
    kind: str, products: int, half_mask: Callable[[nn.Module], Mask]
) -> None:
    model = SHARED[kind]()
    mask = half_mask(model)
    load(model, clone(model.state_dict()), mask)
    counted = counts(model, torch.zeros(2, 12))
    assert counted.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert counted.nonzero == sum(int(parameter.count_nonzero()) for parameter in model.parameters())
    assert counted.flops == 2 * products
    assert counted.density == pytest.approx(density(mask)) and density(nonzero_mask(model)) == density(mask)
    rows = {row["layer"]: row for row in layer_rows(counted, mask)}
    weights = {layer.layer: layer.weight for layer in counted.layers if layer.weight in mask}
    assert set(weights.values()) == set(mask)
    assert all(rows[layer]["kept"] == int(mask[weight].sum()) for layer, weight in weights.items())
