"""Conv-2, -4 and -6 have the paper's weights, densities and shapes."""

import pytest
import torch

from lth.core.errors import SettingError
from lth.models import build
from lth.pruning.level_counts import level_counts
from lth.pruning.mask import prunable
from lth.pruning.schedule import Pruning


@pytest.mark.parametrize(
    ("name", "weights", "convolutions"),
    [("conv2", 4_300_992, 38_592), ("conv4", 2_425_024, 259_776), ("conv6", 2_261_184, 1_144_512)],
)
def test_the_weights_are_those_of_the_paper(name, weights, convolutions):
    model = build(name, (3, 32, 32), 10)
    layers = prunable(model)
    assert sum(layer.size for layer in layers) == weights
    assert sum(layer.size for layer in layers if layer.kind == "conv") == convolutions
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize(
    ("name", "conv", "printed"),
    [("conv2", 0.1, {11: 8.8, 14: 4.6}), ("conv4", 0.1, {11: 11.1, 12: 9.2}), ("conv6", 0.15, {7: 26.6, 10: 15.3})],
)
def test_the_densities_are_the_labels_of_the_paper(name, conv, printed):
    """For Conv-6 the paper prints 26.4 and 15.1, which fits neither its own rates nor its own count of weights."""
    layers = prunable(build(name, (3, 32, 32), 10))
    all_counts = level_counts(layers, Pruning(fractions={"conv": conv, "linear": 0.2, "output": 0.1}), 14)
    total = sum(all_counts[0].values())
    assert {level: round(100 * sum(all_counts[level].values()) / total, 1) for level in printed} == printed


def test_an_input_that_is_too_small_is_named():
    with pytest.raises(SettingError, match="model=conv6: needs images"):
        build("conv6", (1, 1, 40), 10)
