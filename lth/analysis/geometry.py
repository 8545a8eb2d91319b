"""Distances between networks in weight space, and their embedding in the plane.

Evci et al. 2022, section 3: a lottery ticket starts and ends close to the pruned solution that it came from.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lth.core.errors import LotteryError

Matrix = NDArray[np.float64]
Tensors = Mapping[str, Tensor]

SETTLED = 1e-10
"""The embedding ends with the first step that reduces its stress by no more than this part of it."""


def check_fit(model: nn.Module, states: Sequence[Tensors], mask: Tensors | None = None) -> None:
    """Raises LotteryError naming the first tensor of a state, or of the mask, that is not as in `model`."""
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    for state in states:
        shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
        for name in (*expected, *shapes):
            if expected.get(name) != shapes.get(name):
                in_state, in_model = (x.get(name, "missing") for x in (shapes, expected))
                problem = f"{name} is {in_state} in a state, {in_model} in the model"
                raise LotteryError(f"the networks differ in shape: {problem}")
    for name, kept in (mask or {}).items():
        if expected.get(name) != tuple(kept.shape):
            in_model = expected.get(name, "missing")
            raise LotteryError(f"the mask does not fit: {name} is {tuple(kept.shape)} in it, {in_model} in the model")


def _stacked(model: nn.Module, states: Sequence[Tensors], mask: Tensors | None) -> Iterator[Tensor]:
    """The values of each trainable parameter in every state, float64 (states, values), without pruned ones."""
    check_fit(model, states, mask)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            values = torch.stack([state[name].detach().cpu().double().flatten() for state in states])
            yield values[:, mask[name].cpu().bool().flatten()] if mask and name in mask else values


def distances(model: nn.Module, states: Sequence[Tensors], mask: Tensors | None = None) -> Matrix:
    """The L2 distance of every state to every other, float64 (states, states), in units of the weights.

    Over the trainable parameters of `model`, including biases, without buffers; with a `mask` over the weights that it
    keeps (and biases), as if all states were pruned by it. After Evci et al. 2022, section 3. States may lie on any
    device. Raises LotteryError naming the tensor where a state or the mask does not fit the model.
    """
    squares = torch.zeros(len(states), len(states), dtype=torch.float64)
    for values in _stacked(model, states, mask):
        squares += torch.cdist(values, values, compute_mode="donot_use_mm_for_euclid_dist") ** 2
    return squares.sqrt().numpy()


def l2_distance(
    model: nn.Module,
    first: Tensors,
    second: Tensors,
    mask: Tensors | None = None,
) -> float:
    """The L2 distance between two states, over the parameters that `distances` names."""
    return float(distances(model, (first, second), mask)[0, 1])


def cosine_distance(
    model: nn.Module,
    first: Tensors,
    second: Tensors,
    mask: Tensors | None = None,
) -> float:
    """1 - the cosine of the angle between two states, 0 to 2, over the parameters that `distances` names.

    Exactly 0 for equal states; 1 where one of them is all zeros, as in the code of Evci et al. 2022.
    """
    values = torch.cat(list(_stacked(model, (first, second), mask)), 1)
    norms = values.norm(dim=1, keepdim=True)
    if not norms.all():
        return 1.0
    difference = (values / norms).diff(dim=0)
    return float(difference.square().sum()) / 2  # equals 1 - cosine, without cancellation at small angles


def distances_to(model: nn.Module, state: Tensors, others: Mapping[str, Tensors]) -> dict[str, dict[str, float]]:
    """The distance of `state` from each of `others`, by name: `l2` in units of the weights, and `cosine` (0 to 2)."""
    return {
        name: {"l2": l2_distance(model, state, other), "cosine": cosine_distance(model, state, other)}
        for name, other in others.items()
    }


@dataclass(frozen=True)
class Embedding:
    """Points in the plane, float64 (states, 2), and the error of their distances: Kruskal's stress-1, 0 is exact."""

    points: Matrix
    stress: float


def embed(distances: Matrix, steps: int = 1_000) -> Embedding:
    """Points in the plane whose distances approximate `distances` (n, n): metric multidimensional scaling.

    At most `steps` steps of SMACOF (de Leeuw 1977) reduce the stress, sqrt(sum (d - distance)^2 / sum distance^2) over
    the pairs (Kruskal 1964), beginning at the classical solution (Torgerson 1952). So nothing is random, and distances
    of points in a plane are reproduced exactly. The embedding is centred, rotated so that the first state lies to the
    left of the centre, and mirrored so that the next one off that line lies above it. After the figure of start and end
    points of Evci et al. 2022. Raises LotteryError for distances that are not finite.
    """
    if not np.isfinite(distances).all():
        raise LotteryError("the states cannot be laid out in the plane: a distance is not finite")
    points = _classical(distances)
    stress = _stress(points, distances)
    for _ in range(steps):
        between = _between(points)
        ratios = np.divide(distances, between, out=np.zeros_like(between), where=between > 0)
        moved = (np.diag(ratios.sum(1)) - ratios) @ points / len(points)  # the Guttman transform never increases stress
        reduced = _stress(moved, distances)
        if not reduced < stress * (1 - SETTLED):
            break
        points, stress = moved, reduced
    return Embedding(_turned(points), stress)


def _between(points: Matrix) -> Matrix:
    """The distance of every point to every other."""
    return np.asarray(np.linalg.norm(points[:, None] - points[None], axis=2))


def _stress(points: Matrix, distances: Matrix) -> float:
    scale = np.square(distances).sum()
    return float(np.sqrt(np.square(_between(points) - distances).sum() / scale)) if scale else 0.0


def _classical(distances: Matrix) -> Matrix:
    """The two main coordinates of points with these distances, centred (Torgerson 1952)."""
    count = len(distances)
    centre = np.eye(count) - 1 / count
    values, vectors = np.linalg.eigh(-0.5 * centre @ np.square(distances) @ centre)
    points = np.zeros((count, 2))
    points[:, : min(count, 2)] = (vectors * np.sqrt(values.clip(min=0)))[:, ::-1][:, :2]
    return points


def _turned(points: Matrix) -> Matrix:
    """The points rotated so that the first lies left of the centre, and mirrored so that the next one lies above."""
    points = points - points.mean(0)
    small = 1e-6 * np.abs(points).max(initial=0)
    off = [point for point in points if np.linalg.norm(point) > small]
    if off:
        across, along = -off[0] / np.linalg.norm(off[0])
        points = points @ np.array([[across, -along], [along, across]])
    above = [y for y in points[:, 1] if abs(y) > small]
    return points * (1, -1) if above and above[0] < 0 else points
