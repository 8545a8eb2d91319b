"""The Hessian of a subnetwork's loss, by its products with vectors: extreme eigenvalues and density of the spectrum.

Evci et al. 2022, section 3, compute it before and after mask updates, as the full matrix of a small network.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import linalg  # type: ignore[import-untyped,unused-ignore]  # scipy has no types of its own
from torch import Tensor, nn
from torch.func import functional_call

from lth.analysis.geometry import Tensors, check_fit
from lth.analysis.spectrum import Spectrum, Vector
from lth.core.attention import plain_attention
from lth.core.errors import LotteryError
from lth.core.rng import rng
from lth.core.trees import arguments, tree_map
from lth.core.weights import masked, modes_kept
from lth.data.tensors import Split

CHUNK = 250
"""Examples in one batch of a product: the fastest for LeNet5 on a CPU, whose cache 1,000 exceed."""


class Hessian:
    """The second derivatives of the task's mean loss over `split`, at `state`, (size, size) in its unit per weight^2.

    Rows and columns are the weights that `mask` keeps and every other trainable parameter (biases, norms), in order of
    `model.named_parameters()`. Without weight decay, in evaluation mode: dropout is off and BatchNorm uses its running
    statistics, so the loss is a mean over examples that does not depend on batches. `model` gives the architecture,
    lies where `split` does, and is unchanged, as is `state`, which may lie on any device.

    dtype: of the derivatives (vectors are always float64). keep_graph: keep the graph of the first derivatives for the
    next product, which is a third faster and needs memory for all activations of the split.
    """

    def __init__(
        self,
        model: nn.Module,
        state: Tensors,
        split: Split,
        mask: Tensors | None = None,
        dtype: torch.dtype = torch.float32,
        keep_graph: bool = False,
    ) -> None:
        check_fit(model, [state], mask)
        self.model, self.split, self.dtype, self.keep_graph = model, split, dtype, keep_graph
        device, mask = split.device, mask or {}
        named = dict(model.named_parameters()) | dict(model.named_buffers())  # each under its first name
        self._tensors = {
            name: tensor.to(device, self.dtype if tensor.is_floating_point() else tensor.dtype, copy=True)
            for name, tensor in masked({name: state.get(name, tensor) for name, tensor in named.items()}, mask).items()
        }
        trainable = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        self._parameters = [self._tensors[name].requires_grad_() for name in trainable]
        unmasked = {name: torch.ones_like(self._tensors[name], dtype=torch.bool) for name in trainable}
        self._kept = torch.cat([mask.get(name, unmasked[name]).to(device).bool().flatten() for name in trainable])
        self._graphs: list[tuple[Tensor, ...]] = []
        self.size = int(self._kept.sum())

    def product(self, vector: Vector) -> Vector:
        """This matrix times `vector`, both float64 (size,). Raises LotteryError where the result is not finite."""
        full = torch.zeros(self._kept.shape, dtype=self.dtype, device=self._kept.device)
        full[self._kept] = torch.from_numpy(np.array(vector, dtype=np.float64)).to(full)
        parts = full.split([parameter.numel() for parameter in self._parameters])
        directions = [part.view_as(p) for part, p in zip(parts, self._parameters, strict=True)]
        total = torch.zeros_like(full)
        for gradient in self._gradients():
            second = torch.autograd.grad(
                gradient, self._parameters, directions, retain_graph=self.keep_graph, materialize_grads=True
            )
            total += torch.cat([one.flatten() for one in second])
        result: Vector = total[self._kept].cpu().double().numpy()
        if not np.isfinite(result).all():
            raise LotteryError("the Hessian is not finite: a weight or the loss is NaN or infinite")
        return result

    def _gradients(self) -> Iterator[tuple[Tensor, ...]]:
        """The gradient of each batch's part of the mean loss, with its graph."""
        if self._graphs:
            yield from self._graphs
            return
        task, total = self.split.task, sum(self.split.task.weight(labels) for _, labels in self.split.chunks(CHUNK))
        for images, labels in self.split.chunks(CHUNK):
            args, keywords = arguments(tree_map(self._typed, images))
            with modes_kept(self.model), plain_attention():
                self.model.eval()
                outputs = functional_call(self.model, self._tensors, args, keywords)
            loss = task.total(outputs, tree_map(self._typed, labels)) / total
            gradient = torch.autograd.grad(loss, self._parameters, create_graph=True, materialize_grads=True)
            if self.keep_graph:
                self._graphs.append(gradient)
            yield gradient

    def _typed(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.dtype) if tensor.is_floating_point() else tensor

    def matrix(self) -> Vector:
        """The full matrix, float64 (size, size), by one product for each column; symmetric to the last bit."""
        columns = np.stack([self.product(unit) for unit in np.eye(self.size)])
        return (columns + columns.T) / 2


@dataclass(frozen=True)
class Extremes:
    """The largest eigenvalues, in falling order, and the smallest, in rising order (the most negative first)."""

    largest: Vector
    smallest: Vector


def extreme_eigenvalues(
    hessian: Hessian, largest: int = 10, smallest: int = 10, tolerance: float = 1e-5, seed: int = 0
) -> Extremes:
    """The `largest` and `smallest` eigenvalues, by value and not by magnitude, by ARPACK's restarted Lanczos (scipy).

    tolerance: of the residual relative to the eigenvalue, which bounds the eigenvalue's relative error. seed: of the
    random start vector. For a matrix with few rows more than that the full matrix is computed. Raises LotteryError
    where ARPACK does not converge.
    """
    both = largest > 0 and smallest > 0
    count = max(largest, smallest) * (2 if both else 1)  # one search for both ends takes half the products of two
    if hessian.size <= 2 * count:
        values: Vector = np.linalg.eigvalsh(hessian.matrix()).astype(np.float64)
        return Extremes(values[::-1][:largest], values[:smallest])
    operator = linalg.LinearOperator((hessian.size,) * 2, matvec=lambda v: hessian.product(v.ravel()), dtype=np.float64)
    start = torch.randn(hessian.size, generator=rng(seed, "eigenvalues"), dtype=torch.float64).numpy()
    which = "BE" if both else "LA" if largest else "SA"
    try:
        unsorted = linalg.eigsh(operator, count, which=which, v0=start, tol=tolerance, return_eigenvectors=False)
    except linalg.ArpackNoConvergence as error:
        there = len(error.eigenvalues)
        raise LotteryError(f"{there} of {count} eigenvalues converged to {tolerance}: ask for fewer") from error
    values = np.sort(unsorted)
    return Extremes(values[::-1][:largest], values[:smallest])


def lanczos(product: Callable[[Vector], Vector], start: Vector, steps: int) -> tuple[Vector, Vector]:
    """Nodes and weights (at most `steps`; weights sum to 1) of the Gauss quadrature of a symmetric matrix at `start`.

    sum weight * f(node) equals v' f(A) v with v = start / |start|, exactly for polynomials f of degree 2 steps - 1
    (Golub & Welsch 1969). Every new vector is orthogonalised against all earlier ones, twice, which avoids spurious
    copies of eigenvalues. Ends early where the vectors span an invariant subspace.
    """
    inputs, diagonal, beside = [start / np.linalg.norm(start)], list[float](), list[float]()
    while True:
        following = product(inputs[-1])
        diagonal.append(float(inputs[-1] @ following))
        so_far = np.stack(inputs)
        for _ in range(2):
            following = following - (so_far @ following) @ so_far
        norm = float(np.linalg.norm(following))
        if len(inputs) == min(steps, len(start)) or norm <= 1e-12 * max(np.abs([*diagonal, *beside])):
            break
        beside.append(norm)
        inputs.append(following / norm)
    nodes, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
    return nodes, np.square(vectors[0])


def spectrum(hessian: Hessian, steps: int = 80, probes: int = 10, seed: int = 0) -> Spectrum:
    """The density of all eigenvalues, by stochastic Lanczos quadrature (Ghorbani et al. 2019, section 2.2).

    The mean over `probes` Gaussian vectors, addressed by (seed, number), of the quadrature with `steps` nodes: `probes`
    x `steps` products. An estimate, whose standard error falls with the square root of probes x size.
    """
    quadratures = [
        lanczos(
            hessian.product,
            torch.randn(hessian.size, generator=rng(seed, "spectrum", number), dtype=torch.float64).numpy(),
            steps,
        )
        for number in range(probes)
    ]
    nodes, weights = (np.concatenate(parts) for parts in zip(*quadratures, strict=True))
    return Spectrum(nodes, weights / probes, hessian.size)
