"""Scores of the network: how much its loss, its gradient or its signal depends on each weight.

As in the comparison of Frankle et al. 2021, "Pruning Neural Networks at Initialization", section 3 and its code.
"""

import torch
from torch import Tensor

from lth.core.attention import plain_attention
from lth.core.errors import LotteryError
from lth.pruning.scores.inputs import ScoreInputs
from lth.pruning.scores.registry import Scores, score

TEMPERATURE = 200.0
"""What GraSP divides the logits by (Wang et al. 2020, code)."""


@score(needs=["network", "examples"])
def snip(inputs: ScoreInputs) -> Scores:
    """|w * gradient|: by how much the loss would change, to first order (Lee et al. 2019, eq. 4, not normalised)."""
    weights = inputs.leaves()
    gradients = _gradients(inputs.required_network().loss(weights), weights)
    return {name: (weight.detach() * gradients[name]).abs() for name, weight in weights.items()}


@score(needs=["network", "examples"])
def grasp(inputs: ScoreInputs) -> Scores:
    """w * (H gradient): the weights whose removal increases the gradient most go first (Wang et al. 2020, eq. 8).

    H is the Hessian of the loss of the logits over 200; the paper prunes the highest -w * (H gradient).
    """
    weights = inputs.leaves()
    with plain_attention():  # torch's fused operators have no second derivative
        loss = inputs.required_network().loss(weights, TEMPERATURE)
    gradients = _gradients(loss, weights, create_graph=True)
    product = sum((gradient * gradient.detach()).sum() for gradient in gradients.values())
    hessian_gradients = _gradients(torch.as_tensor(product), weights)
    return {name: weight.detach() * hessian_gradients[name] for name, weight in weights.items()}


@score(needs=["network", "examples"])
def grasp_magnitude(inputs: ScoreInputs) -> Scores:
    """|w * (H gradient)|: the variant of GraSP that Frankle et al. 2021 (section 5) find to be better."""
    return {name: values.abs() for name, values in grasp(inputs).items()}


@score(needs=["network"], steps=100)
def synflow(inputs: ScoreInputs) -> Scores:
    """|w * dR/dw| of the synaptic flow R (Tanaka et al. 2020, eq. 4).

    R is the sum of the outputs for an input of ones, with the magnitude of every weight. It uses no data. One pruning
    computes it 100 times, so that no layer is cut off before the others are sparse.
    """
    weights = {name: x.detach().double().abs().requires_grad_() for name, x in inputs.leaves().items()}
    gradients = _gradients(inputs.required_network().flow(weights), weights)
    return {name: (weight.detach() * gradients[name]).abs() for name, weight in weights.items()}


def _gradients(value: Tensor, weights: dict[str, Tensor], create_graph: bool = False) -> dict[str, Tensor]:
    """The gradient of `value` by each of `weights`; LotteryError naming a layer that it does not depend on."""
    gradients = torch.autograd.grad(value, list(weights.values()), create_graph=create_graph, allow_unused=True)
    for name, gradient in zip(weights, gradients, strict=True):
        if gradient is None:
            raise LotteryError(f"{name} has no gradient: the output does not depend on it; add it to pruning.exclude")
    return {name: gradient for name, gradient in zip(weights, gradients, strict=True) if gradient is not None}
