"""Distances are those of hand-made states; the map of points of a plane is those points, turned."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lth.analysis.geometry import check_fit, cosine_distance, distances, embed, l2_distance
from lth.core.errors import LotteryError
from lth.core.weights import Mask, State, clone, masked
from lth.models.initialize import initialize


def between(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, None] - points[None], axis=2)


def state_of(weight: list[list[float]], bias: list[float]) -> State:
    return {"weight": torch.tensor(weight), "bias": torch.tensor(bias)}


MODEL = nn.Linear(2, 1)
HERE, THERE = state_of([[1, 2]], [3]), state_of([[1, 5]], [7])


def test_the_distance_of_hand_made_states_with_and_without_a_mask() -> None:
    assert l2_distance(MODEL, HERE, THERE) == 5  # 0, 3, 4
    assert l2_distance(MODEL, HERE, THERE, {"weight": torch.tensor([[True, False]])}) == 4
    assert distances(MODEL, [HERE, THERE, HERE]).tolist() == [[0, 5, 0], [5, 0, 5], [0, 5, 0]]


def test_the_angle_of_hand_made_states() -> None:
    cosine = (1 * 1 + 2 * 5 + 3 * 7) / (14 * 75) ** 0.5
    assert cosine_distance(MODEL, HERE, THERE) == pytest.approx(1 - cosine, rel=1e-12)
    negative = {name: -tensor for name, tensor in HERE.items()}
    assert cosine_distance(MODEL, HERE, negative) == pytest.approx(2)
    assert cosine_distance(MODEL, HERE, {name: 3 * tensor for name, tensor in HERE.items()}) == pytest.approx(0)
    assert cosine_distance(MODEL, HERE, HERE) == 0
    nearly = state_of([[1, 2]], [3 + 3e-6])
    angle = 3e-6 * 5**0.5 / 14  # of its tangent: the part of the step across the vector, over the vector's length
    assert cosine_distance(MODEL, HERE, nearly) == pytest.approx(angle**2 / 2, rel=0.1)
    assert cosine_distance(MODEL, HERE, {name: 0 * tensor for name, tensor in HERE.items()}) == 1


def test_it_is_over_trainable_parameters_and_kept_weights(
    make_rich_network: Callable[[], nn.Module], half_mask: Callable[[nn.Module], Mask]
) -> None:
    model = make_rich_network()
    model[1].requires_grad_(False)
    mask = half_mask(model)
    first, second = initialize(model, "glorot_normal", 0), initialize(model, "glorot_normal", 1)
    second["1.weight"] += 5
    second["1.running_mean"] += 7
    for kept in ({}, mask):
        parts = [(masked(first, kept)[name] - masked(second, kept)[name]) for name in ("0.weight", "5.weight")]
        expected = torch.cat([part.flatten() for part in parts]).double().norm().item()
        assert l2_distance(model, first, second, kept) == pytest.approx(expected, rel=1e-6)
        assert l2_distance(model, masked(first, kept), masked(second, kept)) == pytest.approx(expected, rel=1e-6)
        assert cosine_distance(model, first, second, kept) == pytest.approx(
            cosine_distance(model, masked(first, kept), masked(second, kept)), rel=1e-6
        )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weight": torch.zeros(1, 3)}, r"weight is \(1, 3\) in a state, \(1, 2\) in the model"),
        ({"other": torch.zeros(1)}, r"other is \(1,\) in a state, missing in the model"),
    ],
)
def test_another_networks_state_is_one_clear_line(change: State, words: str) -> None:
    with pytest.raises(LotteryError, match=words):
        distances(MODEL, [HERE, HERE | change])


def test_another_networks_mask_and_a_missing_tensor_are_one_clear_line() -> None:
    with pytest.raises(LotteryError, match="bias is missing in a state"):
        check_fit(MODEL, [{"weight": HERE["weight"]}])
    for mask in ({"weight": torch.ones(2, 1).bool()}, {"fc1.weight": torch.ones(1, 2).bool()}):
        with pytest.raises(LotteryError, match=f"the mask does not fit: {next(iter(mask))}"):
            l2_distance(MODEL, HERE, THERE, mask)


def test_looking_changes_nothing(make_network: Callable[[], nn.Module], same_bits: Callable[..., bool]) -> None:
    model = make_network()
    states = [initialize(model, "glorot_normal", seed) for seed in range(3)]
    before = [clone(state) for state in (*states, model.state_dict())]
    embed(distances(model, states))
    cosine_distance(model, *states[:2])
    assert all(same_bits(*pair) for pair in zip(before, (*states, model.state_dict()), strict=True))


coordinate = st.floats(-10, 10).map(lambda x: round(x, 3))


@given(st.lists(st.tuples(coordinate, coordinate), min_size=1, max_size=7), st.floats(0, 6.3), st.booleans())
def test_points_of_a_plane_come_back_however_they_are_turned(
    points: list[tuple[float, float]], angle: float, mirrored: bool
) -> None:
    plane = np.array(points)
    embedding = embed(between(plane))
    scale = max(1.0, between(plane).max())
    assert embedding.stress < 1e-6 and np.abs(between(embedding.points) - between(plane)).max() < 1e-6 * scale
    assert np.abs(embedding.points.mean(0)).max() < 1e-9 * scale
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    other = embed(between(plane * (1, -1 if mirrored else 1) @ turn + 3))
    assert between(other.points) == pytest.approx(between(embedding.points), abs=1e-5 * scale)


def test_the_map_is_turned_by_its_first_points() -> None:
    triangle = np.array([[3.0, 0.0], [0.0, 1.0], [0.0, -4.0]])
    for turned in (triangle, triangle[:, ::-1], -triangle + 5):
        points = embed(between(turned)).points
        assert points[0] == pytest.approx([-np.sqrt(5), 0]) and points[1, 1] > 0
        assert points == pytest.approx(embed(between(triangle)).points)


def test_a_tetrahedron_does_not_fit_and_the_stress_says_how_badly() -> None:
    equal = np.ones((4, 4)) - np.eye(4)
    embedding = embed(equal)
    assert embedding.stress == pytest.approx(np.sqrt(((between(embedding.points) - equal) ** 2).sum() / equal.sum()))
    square = np.array([[0, 0], [0, 1], [1, 1], [1, 0]]) * (2 + 2**0.5) / 4  # the best of the squares
    assert 0 < embedding.stress <= np.sqrt(((between(square) - equal) ** 2).sum() / equal.sum()) + 1e-6
    assert np.array_equal(embed(equal).points, embedding.points)


def test_equal_states_lie_on_one_point_and_broken_ones_are_one_clear_line() -> None:
    together = embed(np.zeros((3, 3)))
    assert together.stress == 0 and not together.points.any()
    with pytest.raises(LotteryError, match="not finite"):
        embed(np.array([[0, np.nan], [np.nan, 0]]))
