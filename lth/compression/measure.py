"""Parameters, zeros and FLOPs of a network, layer by layer, and the ratios that papers report.

1 multiply-add = 2 FLOPs. The counts are theoretical: no dense kernel skips a zero.
"""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lth.core.errors import LotteryError
from lth.core.weights import modes_kept

Weighted = nn.Linear | nn.modules.conv._ConvNd
"""The layers that have FLOPs: each multiply-add uses one of their weights."""


@dataclass(frozen=True)
class LayerCount:
    """A module that has parameters itself, not only in its submodules.

    shape: of its weight. parameters, nonzero: all of its parameters, and those that are not zero; one that modules
    share counts in the first of them. density: non-zeros / size of its weight. flops: of one input with dense kernels;
    sparse_flops: flops x density. weight: the name of its weight among the model's parameters, the first of a shared
    one; empty where it is none.
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


@dataclass(frozen=True)
class Counts:
    """The counts of a network's layers, and their sums. Only Linear layers and convolutions have FLOPs."""

    layers: list[LayerCount]

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
        """Non-zeros / size of the weights of all Linear layers and convolutions; a shared one counts once."""
        layers = {layer.weight or layer.layer: layer for layer in self.layers if _counts(layer.kind)}
        weights = [(torch.Size(layer.shape).numel(), layer.density) for layer in layers.values()]
        return sum(size * density for size, density in weights) / sum(size for size, _ in weights)


def counts(model: nn.Module, example: Tensor) -> Counts:
    """The counts of `model`; FLOPs are those of a forward pass of the first input of `example` (N, ...).

    A parameter that two modules share counts in the first of them, their FLOPs in each. Raises LotteryError where
    `model` does not take the example, or has no Linear layer or convolution.

    >>> network = counts(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), torch.zeros(1, 4))
    >>> network.parameters, network.flops
    (23, 36)
    """
    flops, counted, layers = dense_flops(model, example), set[int](), []
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for name, module in model.named_modules():
        if parameters := list(module.parameters(recurse=False)):
            weight = getattr(module, "weight", parameters[0])
            weight = weight if isinstance(weight, Tensor) else parameters[0]
            new = [parameter for parameter in parameters if id(parameter) not in counted]
            counted |= {id(parameter) for parameter in new}
            density = int(weight.count_nonzero()) / weight.numel()
            dense = flops.get(name, 0) if isinstance(module, Weighted) else 0
            layers.append(
                LayerCount(
                    name,
                    type(module).__name__,
                    tuple(weight.shape),
                    sum(parameter.numel() for parameter in new),
                    sum(int(parameter.count_nonzero()) for parameter in new),
                    density,
                    dense,
                    dense * density,
                    names.get(id(weight), ""),
                )
            )
    if not any(_counts(layer.kind) for layer in layers):
        raise LotteryError("the model has no Linear layer or convolution to count")
    return Counts(layers)


def _counts(kind: str) -> bool:
    return kind == "Linear" or kind.startswith("Conv")


@torch.no_grad()
def dense_flops(model: nn.Module, example: Tensor) -> dict[str, int]:
    """Module name -> FLOPs of one input by `torch.utils.flop_counter`: matrix products and convolutions.

    The counter does not look at values: masked and dense networks have the same FLOPs. Raises LotteryError where
    `model` does not take the first input of `example` (N, ...).
    """
    with modes_kept(model), FlopCounterMode(display=False) as counter:
        model.eval()
        try:
            model(example[:1])
        except Exception as error:  # a user's network may raise anything
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise LotteryError(
                f"the model does not take inputs of shape {tuple(example.shape[1:])}: {reason}"
            ) from error
    root = type(model).__name__
    flops = {key: sum(by_operation.values()) for key, by_operation in counter.get_flop_counts().items()}
    places: dict[nn.Module, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        places.setdefault(module, []).append(f"{root}.{name}" if name else root)
    # a module with several names is counted under one of them
    return {name: sum(flops.get(place, 0) for place in places[module]) for name, module in model.named_modules()}


def training_flops(model: nn.Module, images: Tensor, labels: Tensor) -> int:
    """FLOPs of one training iteration on a batch (N, ...): forward and backward with dense kernels, masked or not.

    The optimiser's step is left out. `model` is unchanged.
    """
    trained: Any = copy.deepcopy(model).train()
    with FlopCounterMode(display=False) as counter:
        nn.functional.cross_entropy(trained(images), labels).backward()
    return int(counter.get_total_flops())


def iteration_flops(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int) -> float:
    """`training_flops` on a batch of `batch_size`, in proportion to those of the first two examples."""
    batch = min(2, len(images))
    return training_flops(model, images[:batch], labels[:batch]) * batch_size / batch


def compression_ratio(dense: Counts, sparse: Counts) -> float:
    """Parameters of `dense` / non-zero parameters of `sparse`, with biases and normalisation layers.

    The definition of ShrinkBench (Blalock et al. 2020). The lottery ticket papers count weights alone: 100 / P_m.
    """
    return dense.parameters / sparse.nonzero if sparse.nonzero else float("inf")


def theoretical_speedup(dense: Counts, sparse: Counts) -> float:
    """Multiply-adds of `dense` / those of `sparse` with a non-zero weight, as in ShrinkBench (Blalock et al. 2020)."""
    return dense.flops / sparse.sparse_flops if sparse.sparse_flops else float("inf")
