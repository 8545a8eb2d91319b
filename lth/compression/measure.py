"""Parameters, zeros and FLOPs of a network, layer by layer, and the ratios that papers report.

1 multiply-add = 2 FLOPs. The counts are theoretical: no dense kernel skips a zero.
"""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from lth.compression.operators import count_flops
from lth.compression.products import Product, density_of, plain_kernels, products
from lth.core.errors import LotteryError
from lth.core.trees import call
from lth.data.tensors import Split
from lth.tasks.classification import PLAIN
from lth.tasks.task import Task

Weighted = nn.Linear | nn.modules.conv._ConvNd
"""The layers whose weight is always counted as one that multiplies, whether it runs or not."""


@dataclass(frozen=True)
class LayerCount:
    """A module that has parameters itself, not only in its submodules, or that multiplies without.

    shape: of its weight. parameters, nonzero: all of its parameters, and those that are not zero; one that modules
    share counts in the first of them. density: non-zeros / size of its weight. flops: of one input with dense kernels;
    sparse_flops: flops x density, each product by its own weight, and those of two activations, as in attention, whole.
    weight: the name of its weight among the model's parameters, the first of a shared one; empty where it is none.
    names: the first names of all its own parameters. Looking up rows of an embedding takes no FLOPs.
    """

    layer: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    nonzero: int
    density: float
    flops: int
    sparse_flops: float
    weight: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Counts:
    """The counts of a network's layers, and their sums.

    weights: name -> (size, non-zeros) of each weight that multiplies, a shared one once.
    """

    layers: list[LayerCount]
    weights: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """All parameters: weights, biases and those of normalisation layers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def nonzero(self) -> int:
        """The parameters that are not zero."""
        return sum(layer.nonzero for layer in self.layers)

    @property
    def flops(self) -> int:
        """FLOPs of one input with dense kernels."""
        return sum(layer.flops for layer in self.layers)

    @property
    def sparse_flops(self) -> float:
        """FLOPs of one input if every zero weight were skipped."""
        return sum(layer.sparse_flops for layer in self.layers)

    @property
    def density(self) -> float:
        """Non-zeros / size of the weights that multiply: those of Linear layers, convolutions and further products."""
        return sum(nonzero for _, nonzero in self.weights.values()) / sum(size for size, _ in self.weights.values())


def counts(model: nn.Module, example: Tensor) -> Counts:
    """The counts of `model`; FLOPs are those of a forward pass of the first input of `example` (N, ...).

    A parameter that two modules share counts in the first of them, their FLOPs in each. A product belongs to the module
    whose weight it reads, wherever it runs; one without a weight to the module that runs it. Raises LotteryError where
    `model` does not take the example, or multiplies no weights.

    >>> import torch
    >>> network = counts(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), torch.zeros(1, 4))
    >>> network.parameters, network.flops
    (23, 36)
    """
    performed = products(model, example)
    by_module = _by_module(model, performed)
    layers, counted = [], set[int]()
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for name, module in model.named_modules():
        parameters = list(module.parameters(recurse=False))
        if parameters or module in by_module:
            weight = _weight(module)
            new = [parameter for parameter in parameters if id(parameter) not in counted]
            counted |= {id(parameter) for parameter in new}
            layers.append(
                LayerCount(
                    name or type(model).__name__,
                    type(module).__name__,
                    () if weight is None else tuple(weight.shape),
                    sum(parameter.numel() for parameter in new),
                    sum(int(parameter.count_nonzero()) for parameter in new),
                    1.0 if weight is None else density_of(weight),
                    sum(product.flops for product in by_module.get(module, ())),
                    sum(product.flops * product.density for product in by_module.get(module, ())),
                    names.get(id(weight), ""),
                    tuple(names[id(parameter)] for parameter in parameters),
                )
            )
    weights = _weights(model, performed)
    if not weights:
        raise LotteryError("the model has no Linear layer, convolution or other product with weights to count")
    return Counts(layers, weights)


def _weight(module: nn.Module) -> Tensor | None:
    """The tensor that is called the weight of `module`, else the first of its own parameters."""
    weight = getattr(module, "weight", None)
    return weight if isinstance(weight, Tensor) else next(module.parameters(recurse=False), None)


def _by_module(model: nn.Module, performed: Iterable[Product]) -> dict[nn.Module, list[Product]]:
    """Module -> its products: of a parameter of its own, else those that it ran."""
    owners: dict[int, list[nn.Module]] = {}
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(id(parameter), []).append(module)
    groups: dict[nn.Module, list[Product]] = {}
    for product in performed:
        of_weight = owners.get(id(product.parameter), [])
        place = product.module if product.module in of_weight or not of_weight else of_weight[0]
        groups.setdefault(place, []).append(product)
    return groups


def _weights(model: nn.Module, performed: Iterable[Product]) -> dict[str, tuple[int, int]]:
    """Name -> (size, non-zeros) of the weights of Linear layers and convolutions, and of all others that multiply."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    tensors: dict[str, Tensor] = {}
    for name, module in model.named_modules():
        if isinstance(module, Weighted) and (weight := _weight(module)) is not None:
            tensors.setdefault(names.get(id(weight), name), weight)
    for product in performed:
        if product.parameter is not None:
            tensors.setdefault(names[id(product.parameter)], product.parameter)
    return {name: (tensor.numel(), int(tensor.count_nonzero())) for name, tensor in tensors.items()}


def training_flops(model: nn.Module, images: Any, labels: Any, task: Task = PLAIN) -> int:
    """FLOPs of one training iteration on a batch (N, ...): forward and backward with dense kernels, masked or not.

    The optimiser's step is left out. `model` is unchanged.
    """
    trained: Any = copy.deepcopy(model).train()
    with plain_kernels():
        return count_flops(lambda: task.loss(call(trained, images), labels).backward())


def iteration_flops(model: nn.Module, split: Split, batch_size: int) -> float:
    """`training_flops` on a batch of `batch_size`, in proportion to those of the first two examples."""
    few = split.take(slice(2))
    return training_flops(model, few.images, few.labels, split.task) * batch_size / len(few)


def compression_ratio(dense: Counts, sparse: Counts) -> float:
    """Parameters of `dense` / non-zero parameters of `sparse`, with biases and normalisation layers.

    The definition of ShrinkBench (Blalock et al. 2020). The lottery ticket papers count weights alone: 100 / P_m.
    """
    return dense.parameters / sparse.nonzero if sparse.nonzero else float("inf")


def theoretical_speedup(dense: Counts, sparse: Counts) -> float:
    """Multiply-adds of `dense` / those of `sparse` with a non-zero weight, as in ShrinkBench (Blalock et al. 2020)."""
    return dense.flops / sparse.sparse_flops if sparse.sparse_flops else float("inf")
