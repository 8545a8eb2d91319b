"""How a signal propagates through an untrained network: the standard deviation of every layer's output.

Evci et al. 2022, section 3: with a dense initialisation under a mask it vanishes with sparsity; an initialisation that
scales with the unmasked fan-in preserves it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lth.analysis.agreement import holding
from lth.analysis.geometry import Tensors
from lth.core.rng import rng
from lth.core.trees import call
from lth.training.gradient import batch_statistics

Layer = nn.Linear | nn.modules.conv._ConvNd


@dataclass(frozen=True)
class Signal:
    """Standard deviations of a network's logits and of each layer's output before its activation.

    output: over all logits, examples and classes together, as in the figure of Evci et al. 2022. layers: over all
    examples, units and positions of a layer. units: of each unit by itself, over examples and positions, float64
    (units,); 0 for a unit that no input reaches.
    """

    output: float
    layers: dict[str, float]
    units: dict[str, Tensor]


def noise(shape: Sequence[int], count: int = 1_000, seed: int = 0) -> Tensor:
    """`count` inputs with independent N(0, 1) pixels, float32 (count, *shape), as in the code of Evci et al. 2022."""
    return torch.randn((count, *shape), generator=rng(seed, "signal"))


@torch.no_grad()
def signal(model: nn.Module, state: Tensors, images: Tensor, mask: Tensors | None = None) -> Signal:
    """The standard deviation of the logits and of every Linear's and convolution's output, for `images` (N, C, H, W).

    All images are one batch. Population standard deviations, in float64. Dropout is off and BatchNorm normalises by the
    batch. `model`, which lies where `images` do, is unchanged, and the hooks on its layers are removed.
    """
    with holding(model, state, mask), batch_statistics(model), _outputs(model) as outputs:
        logits = call(model, images)
    units = {name: torch.cat(calls, 1) for name, calls in outputs.items()}
    return Signal(
        _std(logits).item(),
        {name: _std(values).item() for name, values in units.items()},
        {name: _std(values, 1) for name, values in units.items()},
    )


@contextmanager
def _outputs(model: nn.Module) -> Iterator[dict[str, list[Tensor]]]:
    """Within, the outputs (units, values) of every Linear and convolution are collected by name, call by call."""
    outputs: dict[str, list[Tensor]] = {}
    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, Layer):

            def keep(module: nn.Module, inputs: object, output: Tensor, name: str = name) -> None:
                outputs.setdefault(name, []).append(_by_unit(module, output).clone())  # activations may be in place

            hooks.append(module.register_forward_hook(keep))
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def _by_unit(module: nn.Module, output: Tensor) -> Tensor:
    """`output` as (units, values): the units of a Linear lie last, the channels of a batched convolution second."""
    return output.movedim(-1 if isinstance(module, nn.Linear) else 1, 0).flatten(1)


def _std(values: Tensor, axis: int | None = None) -> Tensor:
    return values.cpu().double().std(axis, correction=0)
