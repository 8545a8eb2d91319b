"""Where networks lie in weight space: distances between states, and a map of them in the plane.

Evci et al. 2022, section 3: a lottery ticket starts and ends near the pruned solution that it came from.
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
"""The part of its stress that a step of the embedding must take away for another to follow."""


def check_fit(model: nn.Module, states: Sequence[Tensors], mask: Tensors | None = None) -> None:
    """Raises LotteryError naming the first tensor of a state, or of the mask, that is not as in `model`."""
    own = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    for state in states:
        shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
        for name in (*own, *shapes):
            if own.get(name) != shapes.get(name):
                found, there = (x.get(name, "missing") for x in (shapes, own))
                raise LotteryError(f"the networks differ in shape: {name} is {found} in a state, {there} in the model")
    for name, kept in (mask or {}).items():
        if own.get(name) != tuple(kept.shape):
            there = own.get(name, "missing")
            raise LotteryError(f"the mask does not fit: {name} is {tuple(kept.shape)} in it, {there} in the model")


def _stacked(model: nn.Module, states: Sequence[Tensors], mask: Tensors | None) -> Iterator[Tensor]:
    """For each trainable parameter of `model` its values in every state, float64 (states, values), pruned ones out."""
    check_fit(model, states, mask)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            values = torch.stack([state[name].detach().cpu().double().flatten() for state in states])
            yield values[:, mask[name].cpu().bool().flatten()] if mask and name in mask else values


def distances(model: nn.Module, states: Sequence[Tensors], mask: Tensors | None = None) -> Matrix:
    """The L2 distance of every state to every other, float64 (states, states), in units of the weights.

    Over the trainable parameters of `model`, biases too, buffers not; under `mask` over the kept weights alone, as if
    all were pruned by it. After Evci et al. 2022, section 3. States may lie on any device.
    Raises LotteryError naming the tensor where a state or the mask is another model's.
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
    """The L2 distance between two states; over what, and from where, as `distances` says."""
    return float(distances(model, (first, second), mask)[0, 1])


def cosine_distance(
    model: nn.Module,
    first: Tensors,
    second: Tensors,
    mask: Tensors | None = None,
) -> float:
    """1 - the cosine of the angle between two states: 0 (one direction) to 2; over what, as `distances` says.

    Exactly 0 for equal states; 1 where one of them is all zeros, as in the code of Evci et al. 2022.
    """
    values = torch.cat(list(_stacked(model, (first, second), mask)), 1)
    norms = values.norm(dim=1, keepdim=True)
    if not norms.all():
        return 1.0
    difference = (values / norms).diff(dim=0)
    return float(difference.square().sum()) / 2  # what is left of 1 - cosine, with no loss at small angles


def distances_to(model: nn.Module, state: Tensors, others: Mapping[str, Tensors]) -> dict[str, dict[str, float]]:
    """The distance of `state` from each of `others`, by name: `l2` in units of the weights, and `cosine`."""
    return {
        name: {"l2": l2_distance(model, state, other), "cosine": cosine_distance(model, state, other)}
        for name, other in others.items()
    }


@dataclass(frozen=True)
class Embedding:
    """Points in the plane, float64 (states, 2), and how badly their distances match: Kruskal's stress-1, 0 is exact."""

    points: Matrix
    stress: float


def embed(distances: Matrix, steps: int = 1_000) -> Embedding:
    """Points in the plane whose distances are as near `distances` (n, n) as they get: metric multidimensional scaling.

    The stress, sqrt(sum (d - distance)^2 / sum distance^2) over the pairs (Kruskal 1964), is brought down by at most
    `steps` steps of SMACOF (de Leeuw 1977) from the classical solution (Torgerson 1952), so that nothing is drawn and
    distances of points of a plane come back exactly. The map is centred, turned so that the first state lies to the
    left of the centre, and mirrored so that the next one off that line lies above it. After the figure of start and
    end points of Evci et al. 2022. Raises LotteryError for distances that are not finite.
    """
    if not np.isfinite(distances).all():
        raise LotteryError("the states cannot be laid out in the plane: a distance is not finite")
    points = _classical(distances)
    stress = _stress(points, distances)
    for _ in range(steps):
        there = _between(points)
        ratios = np.divide(distances, there, out=np.zeros_like(there), where=there > 0)
        moved = (np.diag(ratios.sum(1)) - ratios) @ points / len(points)  # the Guttman transform: never worse
        reached = _stress(moved, distances)
        if not reached < stress * (1 - SETTLED):
            break
        points, stress = moved, reached
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
    """The map with its first point to the left of the centre, and the next one off that line above it."""
    points = points - points.mean(0)
    small = 1e-6 * np.abs(points).max(initial=0)
    off = [point for point in points if np.linalg.norm(point) > small]
    if off:
        across, along = -off[0] / np.linalg.norm(off[0])
        points = points @ np.array([[across, -along], [along, across]])
    above = [y for y in points[:, 1] if abs(y) > small]
    return points * (1, -1) if above and above[0] < 0 else points
