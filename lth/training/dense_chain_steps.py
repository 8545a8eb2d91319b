"""Dense steps of a plain chain of linear layers without the records of autograd: the same operations, the same bits."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lth.kernels.chain import ChainLayer
from lth.training.run_spec import RunSpec
from lth.training.steps import DenseSteps

_ops = torch.ops.aten
MEAN, NO_CLASS = 1, -100
"""As `functional.cross_entropy` passes on its reduction and the label that it ignores."""


def at_once(weights: Sequence[Tensor]) -> int:
    """How many steps of a chain with `weights` are taken at once: many of a small one, whose steps are short."""
    return 50 if sum(weight.numel() for weight in weights) < 10**6 else 1


class DenseChainSteps(DenseSteps):
    """Trains the `layers` of a chain (`lth.kernels.chain.chain_of`) by the operations that autograd would record."""

    draws = False  # nothing in it does

    def __init__(self, spec: RunSpec, layers: list[ChainLayer]) -> None:
        super().__init__(spec)
        parameters = dict(self.model.named_parameters())
        self.weights = [parameters[layer.weight] for layer in layers]
        self.biases = [parameters[layer.bias] if layer.bias else None for layer in layers]
        self.one = torch.ones(())
        self.most = at_once(self.weights)

    @torch.no_grad()
    def pass_through(self, images: Tensor, labels: Tensor) -> Tensor:
        """The mean loss of a batch; its gradient is in the parameters, and nothing else."""
        activations = [images.flatten(1)]
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            outputs = torch.nn.functional.linear(activations[-1], weight, bias)
            activations.append(outputs.relu_() if number < len(self.weights) - 1 else outputs)
        logs = torch.log_softmax(activations.pop(), 1)
        loss, count = _ops.nll_loss_forward(logs, labels, None, MEAN, NO_CLASS)
        signal = _ops.nll_loss_backward(self.one, logs, labels, None, MEAN, NO_CLASS, count)
        signal = _ops._log_softmax_backward_data(signal, logs, 1, logs.dtype)
        for number in reversed(range(len(self.weights))):
            weight, bias, inputs = self.weights[number], self.biases[number], activations[number]
            weight.grad = torch.mm(signal.t(), inputs, out=weight.grad)
            if bias is not None:
                bias.grad = torch.sum(signal, 0, out=bias.grad)
            if number:
                signal = _ops.threshold_backward(signal.mm(weight), inputs, 0)
        return loss  # type: ignore[no-any-return]
