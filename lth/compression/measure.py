"""Parameters, zeros and FLOPs of a network, layer by layer, and the ratios that papers report of them.

1 multiply-add = 2 FLOPs. The counts are theory: no dense kernel skips a zero.
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
"""The layers whose multiply-adds are counted by their weights."""


@dataclass(frozen=True)
class LayerCount:
    """One module with parameters of its own.

    shape: of its weight. parameters, nonzero: all of its parameters, and those that are not zero. density: the
    non-zeros of its weight alone / its size. flops: of one input with dense kernels; sparse_flops: flops x density.
    """

    layer: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    nonzero: int
    density: float
    flops: int
    sparse_flops: float


@dataclass(frozen=True)
class Counts:
    """A network's layers, and their sums. Only Linear layers and convolutions have FLOPs here."""

    layers: list[LayerCount]

    @property
    def parameters(self) -> int:
        """All parameters: weights, biases and those of norms."""
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
        """Non-zeros / size of the weights of all Linear layers and convolutions."""
        weights = [(torch.Size(layer.shape).numel(), layer.density) for layer in self.layers if _counts(layer.kind)]
        return sum(size * density for size, density in weights) / sum(size for size, _ in weights)


def counts(model: nn.Module, example: Tensor) -> Counts:
    """The counts of `model`, whose dense FLOPs are read while it takes the first of `example` (N, ...).

    A parameter that two modules share counts once, where it is first. Raises LotteryError where `model` does not take
    the example, or has no Linear layer or convolution.
    """
    flops, seen, layers = dense_flops(model, example), set[int](), []
    for name, module in model.named_modules():
        own = [x for x in module.parameters(recurse=False) if id(x) not in seen]
        seen |= {id(parameter) for parameter in own}
        if own:
            weight = getattr(module, "weight", own[0])
            weight = weight if isinstance(weight, Tensor) else own[0]
            density = int(weight.count_nonzero()) / weight.numel()
            here = flops.get(name, 0) if isinstance(module, Weighted) else 0
            whole, nonzero = sum(x.numel() for x in own), sum(int(x.count_nonzero()) for x in own)
            kind = type(module).__name__
            layers.append(LayerCount(name, kind, tuple(weight.shape), whole, nonzero, density, here, here * density))
    if not any(_counts(layer.kind) for layer in layers):
        raise LotteryError("the model has no Linear layer or convolution to count")
    return Counts(layers)


def _counts(kind: str) -> bool:
    return kind == "Linear" or kind.startswith("Conv")


@torch.no_grad()
def dense_flops(model: nn.Module, example: Tensor) -> dict[str, int]:
    """Module name -> FLOPs of one input by `torch.utils.flop_counter`: matrix products and convolutions.

    That counter knows no zeros: masked and dense networks have the same.
    """
    with modes_kept(model), FlopCounterMode(display=False) as counter:
        model.eval()
        try:
            model(example[:1])
        except Exception as error:  # whatever a user's own network raises
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise LotteryError(
                f"the model does not take inputs of shape {tuple(example.shape[1:])}: {reason}"
            ) from error
    root = type(model).__name__
    found = {key: sum(by_operation.values()) for key, by_operation in counter.get_flop_counts().items()}
    return {name: found.get(f"{root}.{name}" if name else root, 0) for name, _ in model.named_modules()}


def training_flops(model: nn.Module, images: Tensor, labels: Tensor) -> int:
    """FLOPs of one training iteration on a batch: forward and backward, with dense kernels, as masked training does.

    The optimiser's own few per parameter are left out. `model` is unchanged.
    """
    trained: Any = copy.deepcopy(model).train()
    with FlopCounterMode(display=False) as counter:
        nn.functional.cross_entropy(trained(images), labels).backward()
    return int(counter.get_total_flops())


def iteration_flops(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int) -> float:
    """`training_flops` on a batch of `batch_size`, from the first two examples: they grow in proportion."""
    batch = min(2, len(images))
    return training_flops(model, images[:batch], labels[:batch]) * batch_size / batch


def compression_ratio(dense: Counts, sparse: Counts) -> float:
    """All parameters of `dense` / parameters of `sparse` that are not zero; biases and norms count too.

    The definition of ShrinkBench (Blalock et al. 2020): 100 / P_m of the lottery ticket papers counts weights alone.
    """
    return dense.parameters / sparse.nonzero if sparse.nonzero else float("inf")


def theoretical_speedup(dense: Counts, sparse: Counts) -> float:
    """Multiply-adds of `dense` / those of `sparse` whose weight is not zero (ShrinkBench; Blalock et al. 2020)."""
    return dense.flops / sparse.sparse_flops if sparse.sparse_flops else float("inf")
