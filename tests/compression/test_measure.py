"""Counts agree with closed forms, and the ratios with ShrinkBench's definitions."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

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


class Reads(nn.Module):
    """A network that reads the weights of its layers, or of none, itself."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.embedding = nn.Linear(12, 7), nn.Embedding(20, 7)
        self.kernel = nn.Parameter(torch.ones(4, 1, 3))

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = functional.linear(inputs, self.layer.weight) + functional.conv1d(inputs[:, None], self.kernel).mean()
        return functional.linear(hidden, self.embedding.weight)


class Sequence(nn.Module):
    """A network that takes its 12 inputs as a sequence."""

    def __init__(self, body: nn.Module, width: int) -> None:
        super().__init__()
        self.embed, self.body, self.head = nn.Linear(1, width), body, nn.Linear(width, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.embed(inputs[..., None])
        hidden = (
            self.body(hidden, hidden, hidden) if isinstance(self.body, nn.MultiheadAttention) else self.body(hidden)
        )
        return self.head((hidden[0] if isinstance(hidden, tuple) else hidden).mean(1))


class Scaled(nn.Linear):
    """A layer whose weight is computed: half of it is masked."""

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.linear(inputs, self.weight * (torch.arange(12) % 2))


ENCODER = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
ATTENTION = {"in_proj": 12 * 8 * 24, "products": 2 * 12 * 12 * 8, "out_proj": 12 * 8 * 8}
FUNCTIONAL = {
    "weights that are read": (Reads(), 12 * 7 + 4 * 10 * 3 + 7 * 20),
    "attention": (Sequence(nn.MultiheadAttention(8, 2, batch_first=True), 8), 96 + 24 + sum(ATTENTION.values())),
    "transformer": (
        Sequence(nn.TransformerEncoder(ENCODER, 2), 8),
        96 + 24 + 2 * (sum(ATTENTION.values()) + 2 * 12 * 8 * 16),
    ),
    "lstm": (Sequence(nn.LSTM(8, 8, batch_first=True), 8), 96 + 24 + 12 * 4 * (64 + 64)),
    "gru": (Sequence(nn.GRU(8, 8, batch_first=True), 8), 96 + 24 + 12 * 3 * (64 + 64)),
    "weight norm": (nn.utils.parametrizations.weight_norm(nn.Linear(12, 3)), 36),
    "a layer of one's own": (Scaled(12, 3), 36),
}


@pytest.mark.parametrize("kind", FUNCTIONAL)
def test_every_product_counts_however_its_weight_is_read(kind: str) -> None:
    model, products = FUNCTIONAL[kind]
    counted = counts(model, torch.ones(2, 12))
    assert counted.flops == 2 * products and counted.parameters == sum(x.numel() for x in model.parameters())
    assert torch.backends.mha.get_fastpath_enabled() and torch.backends.mkldnn.enabled  # as they were
    labels = torch.zeros(2, dtype=torch.long)
    assert training_flops(model, torch.ones(2, 12), labels) >= 2 * 2 * 2 * products


def test_a_product_belongs_to_the_module_of_its_weight_and_is_skipped_by_its_zeros() -> None:
    model = Sequence(nn.TransformerEncoder(ENCODER, 1), 8)
    attention = model.body.layers[0].self_attn
    with torch.no_grad():
        attention.in_proj_weight[:12] = 0
        attention.out_proj.weight[:2] = 0
    layers = {layer.layer: layer for layer in counts(model, torch.ones(2, 12)).layers}
    assert layers["body.layers.0.linear1"].flops == 2 * 12 * 8 * 16
    heads, projection = layers["body.layers.0.self_attn"], layers["body.layers.0.self_attn.out_proj"]
    assert (heads.flops, heads.sparse_flops) == (
        2 * (2304 + 2304),
        2 * (2304 / 2 + 2304),
    )  # activations are dense
    assert (projection.flops, projection.sparse_flops) == (2 * 768, 2 * 768 * 6 / 8)
    computed = counts(Scaled(12, 3), torch.ones(1, 12))
    assert (computed.flops, computed.sparse_flops) == (72, 36)
