"""A narrower network: as near to the asked count as one factor and a unit a layer come, and it still computes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lth.core.errors import SettingError
from lth.core.weights import digest
from lth.lottery.narrow import narrowed, resized
from lth.models import build
from lth.models.initialize import initialize
from lth.pruning.mask import prunable

SHAPES = {"lenet5": (1, 28, 28), "lenet_300_100": (1, 28, 28), "conv2": (3, 32, 32)}


def weights(model: nn.Module) -> int:
    return sum(layer.size for layer in prunable(model))


def widths(model: nn.Module) -> list[int]:
    return [layer.shape[0] for layer in prunable(model)][:-1]


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("density", [0.03, 0.05, 0.2, 0.5, 1.0])
def test_a_narrowed_network_has_about_as_many_weights_and_computes(name: str, density: float) -> None:
    model = build(name, SHAPES[name], 10)
    small = narrowed(model, round(density * weights(model)))
    assert weights(small) == pytest.approx(density * weights(model), rel=0.05)
    state = initialize(small, "glorot_normal", 0)
    small.load_state_dict(state)
    assert small(torch.randn(2, *SHAPES[name])).shape == (2, 10)
    pairs = list(zip(widths(small), widths(model), strict=True))  # one factor for all, and at most a unit more
    assert max((new - 1.5) / old for new, old in pairs if new > 1) <= min((new + 0.5) / old for new, old in pairs)


def test_the_authors_small_dense_lenet5_has_their_number_of_parameters() -> None:
    """Hidden sizes (3, 3, 27, 20): 2,399, biases too, as their configuration says."""
    small = resized(build("lenet5", (1, 28, 28), 10), (3, 3, 27, 20))
    assert sum(parameter.numel() for parameter in small.parameters()) == 2_399
    assert small(torch.randn(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.slow
@settings(max_examples=20)
@given(st.integers(45, 1000), st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_no_other_factor_comes_nearer(count: int, hidden: list[int]) -> None:
    layers = [nn.Flatten()]
    for before, after in zip([36, *hidden], hidden, strict=False):
        layers += [nn.Linear(before, after), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(hidden[-1], 3))
    count = min(count, weights(model))
    distance = abs(weights(narrowed(model, count)) - count)
    for step in range(101):
        other = [max(1, round(step / 100 * width)) for width in hidden]
        assert distance <= abs(weights(resized(model, other)) - count)


def test_batch_norm_is_narrowed_with_what_comes_before_it_and_the_model_stays() -> None:
    model = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4)), nn.ReLU(), nn.Flatten(),
        nn.Dropout(0.3), nn.Linear(36, 3),
    )  # fmt: skip
    before, printed = digest(model.state_dict()), str(model)
    small = resized(model, [2])
    small.load_state_dict(initialize(small, "default", 0))
    assert small(torch.randn(5, 1, 6, 6)).shape == (5, 3) and small[0][0].stride == (2, 2)
    assert {tuple(x.shape) for x in small[0][1].state_dict().values()} == {(2,), ()} and small[4].in_features == 18
    assert (digest(model.state_dict()), str(model)) == (before, printed)


def test_narrowing_draws_nothing() -> None:
    model, before = build("lenet5", (1, 28, 28), 10), torch.get_rng_state()
    narrowed(model, 2_000)
    assert torch.equal(torch.get_rng_state(), before)


parametrizations = nn.utils.parametrizations


class Own(nn.Module):
    """What it does with its layers cannot be told from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 3)


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (Own(), "here is Own"),
        (nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 3)), "here is LayerNorm"),
        (nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Flatten(), nn.Linear(4, 3)), "here is Conv2d"),
        (nn.Sequential(nn.Flatten()), "here is Sequential"),
        (nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 4)), nn.Linear(4, 3)), "here is ParametrizedLinear"),
        (nn.Sequential(nn.Flatten(), *[nn.Linear(4, 4)] * 2, nn.Linear(4, 3)), r"here 2\.weight is 1\.weight"),
        (nn.Sequential(nn.Linear(36, 8), nn.Linear(8, 3)), "one unit a layer has 39 weights, more than the 38 "),
    ],
)
def test_a_network_that_cannot_be_narrowed_is_named(model: nn.Module, named: str) -> None:
    with pytest.raises(SettingError, match=f"arms=small_dense: .*{named}"):
        narrowed(model, 38)


@pytest.mark.parametrize("hidden", [[3], [3, 0], [3, 3, 3]])
def test_widths_that_do_not_fit_are_named(hidden: list[int]) -> None:
    with pytest.raises(SettingError, match="must be 2 widths of at least 1"):
        resized(nn.Sequential(nn.Linear(36, 8), nn.Linear(8, 8), nn.Linear(8, 3)), hidden)
