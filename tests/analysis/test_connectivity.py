"""A line starts and ends at its two networks, and known landscapes have their known barriers."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from lth.analysis.connectivity import batch_norm_on, interpolate, mixed
from lth.analysis.line import barrier, line
from lth.core.errors import LotteryError
from lth.core.rng import rng
from lth.core.weights import Mask, State, load
from lth.data.tensors import Data, Split
from lth.models.initialize import initialize
from lth.training.evaluate import Score, evaluate


def score(model: nn.Module, state: State, split: Split, mask: Mask | None = None) -> Score:
    load(model, state, mask)
    return evaluate(model, split)


def test_the_line_is_the_papers_and_holds_both_networks_exactly() -> None:
    alphas = line()
    assert len(alphas) == 29 and alphas[0] == -0.2 and alphas[-1] == 1.2 and {0.0, 1.0} <= set(alphas)
    assert [round(20 * alpha) for alpha in alphas] == list(range(-4, 25))
    assert "-" not in str(alphas[4])  # no minus zero
    assert line(0, 1, 3) == (0, 0.5, 1) and line(0.5, 1, 1) == (0.5,)


def test_the_barrier_of_a_parabola_on_a_slope() -> None:
    alphas = line()
    values = [3 + 2 * alpha + 8 * alpha * (1 - alpha) for alpha in alphas]
    assert barrier(alphas, values) == pytest.approx(2)  # 8 / 4, in the middle
    assert barrier(alphas, [-value for value in values]) == 0
    assert barrier(alphas, [alpha if 0 <= alpha <= 1 else 99 for alpha in alphas]) == pytest.approx(0, abs=1e-15)
    assert math.isnan(barrier((0, 0.5, 1), (1, math.nan, 1)))
    with pytest.raises(LotteryError, match="alpha = 0 and alpha = 1"):
        barrier((0.1, 1), (0, 0))


@pytest.mark.parametrize("pruned", [False, True])
def test_the_ends_are_the_two_networks_and_the_middle_their_mixture(
    make_network: Callable[[], nn.Module], half_mask: Callable[[nn.Module], Mask], data: Data, pruned: bool
) -> None:
    model = make_network()
    mask = half_mask(model) if pruned else None
    start, end = initialize(model, "glorot_normal", 0), initialize(model, "glorot_normal", 1)
    path = interpolate(model, start, end, data, mask)
    middle = {name: 0.75 * start[name] + 0.25 * end[name] for name in start}
    for split in ("train", "test"):
        scores = dict(zip(path.alphas, path.scores[split], strict=True))
        part = getattr(data, split)
        assert scores[0.0] == score(model, start, part, mask) and scores[1.0] == score(model, end, part, mask)
        assert scores[0.25].loss == pytest.approx(score(model, middle, part, mask).loss, rel=1e-5)
    assert path.barrier("test") >= 0 and set(path.scores) == {"train", "test"}


def test_two_layers_and_their_negatives_meet_at_zero(data: Data) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 4, bias=False), nn.Linear(4, 3, bias=False))
    start = initialize(model, "glorot_normal", 0)
    end = {name: -tensor for name, tensor in start.items()}
    path = interpolate(model, start, end, data, alphas=line(0, 1, 11), splits=["test"])
    ends = score(model, start, data.test)
    assert path.scores["test"][0] == ends == path.scores["test"][-1]  # the same function
    assert path.barrier("test") == pytest.approx(max(math.log(3) - ends.loss, 0), rel=1e-6)
    errors = [1 - one.accuracy for one in path.scores["test"]]
    assert path.error_barrier("test") == pytest.approx(max(errors) - errors[0])


def test_a_network_to_itself_has_no_barrier(make_network: Callable[[], nn.Module], data: Data) -> None:
    model = make_network()
    state = initialize(model, "glorot_normal", 0)
    path = interpolate(model, state, state, data, alphas=line(0, 1, 5))
    assert path.barrier("train") < 1e-6 and path.error_barrier("train") == 0


def test_batch_norm_is_recomputed_on_the_training_split(make_rich_network: Callable[[], nn.Module], data: Data) -> None:
    model = make_rich_network()
    start, end = initialize(model, "glorot_normal", 0), initialize(model, "glorot_normal", 1)
    path = interpolate(model, start, end | {"1.running_var": torch.full((4,), 1e6)}, data, alphas=(0, 0.5, 1))
    for alpha, there in zip(path.alphas, path.scores["test"], strict=True):
        state = mixed(start, end, alpha)
        outputs = nn.functional.conv2d(data.train.images, state["0.weight"])
        state["1.running_mean"], state["1.running_var"] = outputs.mean((0, 2, 3)), outputs.var((0, 2, 3))
        assert there.loss == pytest.approx(score(model, state, data.test).loss, rel=1e-4)


def test_batch_norm_means_over_batches_of_nearly_one_size() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.5), nn.BatchNorm1d(2, track_running_stats=False))
    images = torch.randn(1_501, 2, generator=rng(0)) * 3 + 1
    with batch_norm_on(model, Split(images, torch.zeros(1_501))):
        halves = images[:751], images[751:]
        mean, variance = (sum(part) / 2 for part in ([x.mean(0) for x in halves], [x.var(0) for x in halves]))
        assert torch.allclose(model[0].running_mean, mean) and torch.allclose(model[0].running_var, variance)
    assert model[0].momentum == 0.1 and all(module.training for module in model.modules())


def test_a_measurement_changes_nothing(
    used_network: nn.Module, unchanged: Callable[..., Any], half_mask: Callable[[nn.Module], Mask], data: Data
) -> None:
    states = [initialize(used_network, "glorot_normal", seed) for seed in range(2)]
    mask = half_mask(used_network)
    with unchanged(used_network, *states, mask):
        first = interpolate(used_network, *states, data, mask, alphas=(0, 0.3, 1))
        with pytest.raises(IndexError):  # labels of another data set
            interpolate(used_network, *states, replace(data, test=Split(data.test.images, data.test.labels + 3)))
    assert interpolate(used_network, *states, data, mask, alphas=(0, 0.3, 1)) == first


def test_whole_numbers_are_those_of_the_nearer_end() -> None:
    start, end = ({"count": torch.tensor(value), "x": torch.tensor(float(value))} for value in (2, 8))
    assert [mixed(start, end, alpha)["count"].item() for alpha in (-0.2, 0.4, 0.5, 1.2)] == [2, 2, 8, 8]
    assert [mixed(start, end, alpha)["x"].item() for alpha in (0, 0.5, 1)] == [2, 5, 8]


def test_two_networks_of_different_shapes_are_one_clear_line(make_network: Callable[[], nn.Module], data: Data) -> None:
    model = make_network()
    state = initialize(model, "glorot_normal", 0)
    wide = state | {"fc2.weight": torch.zeros(9, 12)}
    with pytest.raises(LotteryError, match=r"fc2.weight is \(9, 12\) in a state, \(8, 12\) in the model"):
        interpolate(model, state, wide, data)
