"""How a signal passes through the untrained network at many sparsities (Evci et al. 2022), as rows of a table."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lth.analysis.signal import noise, signal
from lth.core.rng import address, rng
from lth.core.tables import Row
from lth.core.weights import Mask, State
from lth.data.tensors import Data
from lth.lottery.context import Initialize
from lth.models.initialize import initialize
from lth.pruning.mask import Layer, prunable, shuffled

from .plan import GLOROT

AWARE = {"sparsity_aware": "sparsity_aware", "sparsity_aware_glorot": GLOROT}
"""Name in the table -> initialiser that scales a draw to the mask."""
SPARSITIES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99)
"""The sparsities of the random masks, the same in every layer."""


def signal_rows(model: nn.Module, fresh: Initialize, data: Data, seed: int, draws: int) -> list[Row]:
    """The standard deviation of the logits at initialisation against sparsity, for N(0, 1) inputs.

    Each draw has other weights and another mask. init: `dense`, the network's own initialiser `fresh`; `layer_scaled`,
    the same over the root of each layer's density (Liu et al. 2019); `sparsity_aware`, N(0, 2 / unmasked fan-in), the
    paper's formula; `sparsity_aware_glorot`, Glorot's uniform one with the unmasked fans, the authors' configuration.
    """
    images = noise(data.shape).to(data.train.images.device)
    rows = []
    for sparsity in SPARSITIES:
        for draw in range(draws):
            mask = random_mask(prunable(model), 1 - sparsity, seed, draw)
            number = address(seed, "signal", draw)
            weights = fresh(number)
            states = {
                "dense": weights,
                "layer_scaled": layer_scaled(weights, mask),
            }
            states |= {init: initialize(model, name, number, mask) for init, name in AWARE.items()}
            for init, state in states.items():
                std = signal(model, state, images, mask).output
                rows.append({"init": init, "sparsity": sparsity, "draw": draw, "std": std})
    return rows


def layer_scaled(state: Mapping[str, Tensor], mask: Mask) -> State:
    """`state` with each masked layer over the root of its density (Liu et al. 2019, as compared by Evci et al.)."""
    scales = {name: math.sqrt(kept.float().mean().item()) for name, kept in mask.items()}
    return {name: tensor / scales[name] if name in scales else tensor for name, tensor in state.items()}


def random_mask(layers: Sequence[Layer], density: float, seed: int, draw: int) -> Mask:
    """A mask that keeps round(density x size) weights of each layer, at least one, at random places."""
    first = {
        layer.name: (torch.arange(layer.size) < max(1, round(density * layer.size))).reshape(layer.shape)
        for layer in layers
    }
    return shuffled(first, rng(seed, "signal mask", round(1e6 * density), draw))
