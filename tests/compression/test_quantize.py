"""Zeros stay zeros in every width; the numbers are those of torch's own quantised tensors."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from torch import nn

from lth.compression import quantize
from lth.compression.quantize import (
    BITS,
    accuracy_grid,
    dynamic_int8,
    fake_quantized,
    int8_weights,
    levels,
    static_int8,
)
from lth.core.errors import LotteryError, SettingError
from lth.core.weights import Mask, clone, load, masked, shared_names
from lth.data.tensors import Data, Split
from lth.training.evaluate import evaluate
from tests.networks import SHARED


@settings(max_examples=20)
@given(bits=some.sampled_from(BITS), seed=some.integers(0, 99), scale=some.sampled_from([1e-30, 1e-3, 1.0, 1e20]))
def test_zeros_stay_zeros_and_no_weight_moves_by_more_than_half_a_level(bits: int, seed: int, scale: float) -> None:
    weight = scale * torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(seed))
    weight[torch.rand(weight.shape, generator=torch.Generator().manual_seed(seed)) < 0.5] = 0
    numbers, scales = levels(weight, bits)
    assert int(numbers.abs().max()) <= 2 ** (bits - 1) - 1
    assert not numbers[weight == 0].any()
    assert ((numbers * scales - weight).abs() <= scales / 2 * 1.001).all()
    assert numbers.unique().numel() <= 2**bits - 1


def test_the_numbers_are_those_of_torch() -> None:
    weight = torch.randn(5, 7)
    numbers, scales = levels(weight)
    zero_points = torch.zeros(5, dtype=torch.int32)
    theirs = torch.fake_quantize_per_channel_affine(weight, scales.flatten(), zero_points, 0, -127, 127)
    assert torch.equal(theirs, numbers * scales)


def test_only_the_named_weights_change(make_rich_network: Callable[[], nn.Module], same_bits) -> None:
    state = clone(make_rich_network().state_dict())
    quantized = fake_quantized(state, ["0.weight"], 3)
    assert quantized.keys() == state.keys() and not torch.equal(quantized["0.weight"], state["0.weight"])
    assert all(torch.equal(quantized[name], state[name]) for name in state if name != "0.weight")
    with pytest.raises(LotteryError, match="no weight fc9"):
        fake_quantized(state, ["fc9"], 3)


@pytest.mark.parametrize("bits", [1, 9, 0, -4])
def test_bits_out_of_range_are_named(bits: int) -> None:
    with pytest.raises(SettingError, match=f"bits={bits}: must be an integer from 2 to 8"):
        levels(torch.ones(2, 2), bits)


def test_the_grid_has_every_density_and_width(
    data: Data, make_network: Callable[[], nn.Module], half_mask: Callable[[nn.Module], Mask], same_bits
) -> None:
    model = make_network()
    state, mask = clone(model.state_dict()), half_mask(model)
    unpruned = {name: torch.ones_like(kept) for name, kept in mask.items()}
    rows = accuracy_grid(model, [(state, unpruned), (state, mask)], [8, 2], data.test)
    assert [(row["density"] == 1, row["bits"]) for row in rows] == [(x, b) for x in (True, False) for b in (32, 8, 2)]
    assert same_bits(dict(model.state_dict()), state), "the model is as it was"
    load(model, fake_quantized(masked(state, mask), mask, 2))
    assert rows[-1]["test_accuracy"] == evaluate(model, data.test).accuracy


@pytest.mark.parametrize("how", ["dynamic", "static"])
def test_int8_networks_keep_zeros_and_nearly_the_logits(
    how: str, data: Data, make_rich_network: Callable[[], nn.Module], half_mask: Callable[[nn.Module], Mask]
) -> None:
    model = make_rich_network().eval()
    mask = half_mask(model)
    load(model, clone(model.state_dict()), mask)
    images = data.train.images[:64]
    quantized = dynamic_int8(model) if how == "dynamic" else static_int8(model, [images])
    weights = int8_weights(quantized)
    assert sorted(weights) == (["5.weight"] if how == "dynamic" else ["0.weight", "5.weight"])
    for name, numbers in weights.items():
        assert not numbers[~mask[name]].any() and numbers[mask[name]].any()
    logits = model(images)
    assert (quantized(images) - logits).abs().max() < 0.05 * (logits.max() - logits.min())
    kinds = {type(module) for module in quantized.modules()}
    assert (nn.ReLU in kinds) == (how == "dynamic"), "dynamic quantisation leaves an activation as it was"


def test_what_cannot_be_quantised_is_said() -> None:
    with pytest.raises(LotteryError, match="the model has none"):
        dynamic_int8(nn.Sequential(nn.Conv2d(1, 1, 3)))
    with pytest.raises(LotteryError, match="calibration batches"):
        static_int8(nn.Linear(2, 2), [])

    class Branching(nn.Linear):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return super().forward(inputs) if inputs.sum() > 0 else inputs

    with pytest.raises(LotteryError, match="does not support the model"):
        static_int8(nn.Sequential(Branching(2, 2)), [torch.ones(1, 2)])


@pytest.mark.parametrize("kind", SHARED)
@pytest.mark.parametrize("bits", [8, 3])
def test_what_is_evaluated_is_quantised_under_all_of_its_names(
    kind: str, bits: int, half_mask: Callable[[nn.Module], Mask], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = SHARED[kind]()
    mask, state, evaluated = half_mask(model), clone(model.state_dict()), []

    def watch(network: nn.Module, test: Split) -> object:
        evaluated.append(clone(network.state_dict()))
        return evaluate(network, test)

    monkeypatch.setattr(quantize, "evaluate", watch)
    test = Split(torch.arange(60.0).reshape(5, 12) % 7, torch.zeros(5, dtype=torch.long))
    rows = accuracy_grid(model, [(state, mask)], [bits], test)
    expected = masked(state, mask)
    for name, kept in mask.items():
        numbers, scales = levels(expected[name], bits)
        assert torch.equal(evaluated[1][name], numbers * scales) and not evaluated[1][name][~kept].any()
    for name, first in shared_names(model.state_dict()).items():
        assert torch.equal(evaluated[1][name], evaluated[1][first])
    load(model, evaluated[1])
    assert rows[1]["nonzero"] == sum(int(x.count_nonzero()) for x in model.parameters())
