"""The papers' small networks have the papers' counts."""

from collections.abc import Callable

import pytest
import torch

from lth.core.errors import SettingError
from lth.models.lenet import lenet5, lenet_300_100, mlp
from lth.pruning.mask import prunable


def sizes(model: torch.nn.Module) -> dict[str, int]:
    return {layer.name.removesuffix(".weight"): layer.size for layer in prunable(model)}


def test_lenet_300_100_has_266200_prunable_weights() -> None:
    """Frankle & Carbin 2019, Fig. 2: 266K."""
    assert sizes(lenet_300_100((1, 28, 28), 10)) == {"fc1": 235_200, "fc2": 30_000, "output": 1_000}


def test_lenet5_follows_its_input() -> None:
    assert sizes(lenet5((1, 32, 32), 10)) == {"conv1": 150, "conv2": 2_400, "fc1": 48_000, "fc2": 10_080, "output": 840}
    assert sum(sizes(lenet5((1, 32, 32), 10)).values()) == 61_470
    assert lenet5((1, 28, 28), 10).fc1.in_features == 256 and lenet5((1, 32, 32), 10).fc1.in_features == 400


@pytest.mark.parametrize(
    ("model", "shape"),
    [(lenet_300_100, (1, 28, 28)), (lenet_300_100, (1, 1, 40)), (lenet_300_100, (40,))]
    + [(lenet5, shape) for shape in ((1, 28, 28), (3, 32, 32), (1, 16, 16), (1, 17, 30))],
)
def test_a_network_takes_its_data_and_gives_logits(model: Callable, shape: tuple[int, ...]) -> None:
    assert model(shape, 7)(torch.zeros(2, *shape)).shape == (2, 7)


def test_lenet5_refuses_what_it_would_pool_to_nothing() -> None:
    with pytest.raises(SettingError, match="16x16, the data has 15x28"):
        lenet5((1, 15, 28), 10)


def test_mlp_has_the_asked_widths() -> None:
    assert sizes(mlp((4,), 2, (5, 6))) == {"fc1": 20, "fc2": 30, "output": 12}
