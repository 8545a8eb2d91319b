"""What scores are computed from: weights, and for some of them the network with fixed training examples."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from lth.core.errors import LotteryError
from lth.core.trees import arguments, first_tensor
from lth.core.weights import State, modes_kept
from lth.tasks.classification import PLAIN
from lth.tasks.task import Task


@dataclass(frozen=True)
class Network:
    """A network and training examples to score it on, all on the device of `images`, with the task's loss.

    state: all its parameters and buffers. `model` gives the architecture; its present weights and buffers have no
    effect, and stay as they are.
    """

    model: nn.Module
    state: State
    images: Any
    labels: Any
    task: Task = PLAIN

    @property
    def device(self) -> torch.device:
        """Where the examples lie."""
        return first_tensor(self.images).device

    def loss(self, weights: Mapping[str, Tensor], temperature: float = 1.0) -> Tensor:
        """The mean loss of the examples with `weights` in place of those in `state`; differentiable.

        Logits are divided by `temperature`; outputs that are none, as of regression, are not. Dropout is off; BatchNorm
        normalises by the batch of all examples.
        """
        with self._modes(nn.modules.batchnorm._BatchNorm):
            args, keywords = arguments(self.images)
            outputs = functional_call(self.model, self._tensors(torch.clone) | dict(weights), args, keywords)
        if self.task.targets in ("classes", "labels", "tokens"):
            outputs = outputs / temperature
        return self.task.loss(outputs, self.labels)

    def flow(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The sum of the outputs for an input of ones, with the magnitude of every tensor, and `weights` in place.

        Tokens have no ones: each of them comes once, at every place of a sequence, up to the largest of the examples.
        In double precision, as scores of deep networks span many orders of magnitude (Tanaka et al. 2020), and in
        evaluation mode.
        """
        with self._modes():
            outputs = functional_call(self.model, self._tensors(_magnitude) | dict(weights), (self._ones(),))
        return torch.as_tensor(outputs).sum()

    def _ones(self) -> Tensor:
        """The inputs that `flow` is of."""
        images = self.images
        if isinstance(images, Tensor) and images.is_floating_point():
            return torch.ones(1, *images.shape[1:], dtype=torch.float64, device=self.device)
        if isinstance(images, Tensor) and images.ndim == 2:
            tokens = torch.arange(int(images.max()) + 1, dtype=images.dtype, device=self.device)
            return tokens[:, None].expand(-1, images.shape[1])
        raise LotteryError("synaptic flow needs one tensor as the input, of numbers or of sequences of tokens")

    def _tensors(self, transform: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """A transformed copy of every parameter and buffer: what BatchNorm counts, it counts in the copy."""
        named = dict(self.model.named_parameters()) | dict(self.model.named_buffers())
        tensors = {name: self.state.get(name, tensor).detach() for name, tensor in named.items()}
        return {name: transform(tensor.to(self.device)) for name, tensor in tensors.items()}

    @contextmanager
    def _modes(self, *training: type[nn.Module]) -> Iterator[None]:
        with modes_kept(self.model):
            for module in self.model.modules():
                module.training = isinstance(module, training)
            yield


def _magnitude(tensor: Tensor) -> Tensor:
    return tensor.double().abs() if tensor.is_floating_point() else tensor.clone()


@dataclass(frozen=True)
class ScoreInputs:
    """What a score can be computed from; tensors by prunable layer.

    weights: the weights to score, pruned ones too, which are not zero; mask: True where a weight is still kept;
    generator: for random scores; initial: the weights that training began with, None unless the score needs `initial`;
    network: with its training examples, None unless the score needs `network` or `examples`.
    """

    weights: Mapping[str, Tensor]
    mask: Mapping[str, Tensor]
    generator: torch.Generator
    initial: Mapping[str, Tensor] | None = None
    network: Network | None = None

    def compared(self, score: Callable[[Tensor, Tensor], Tensor]) -> dict[str, Tensor]:
        """`score` of (weights, initial weights) of each layer, both zero where pruned.

        Raises LotteryError where there are no initial weights.
        """
        if self.initial is None:
            raise LotteryError("the score compares trained weights with initial ones, which were not given")
        pairs = {name: (weight, self.initial[name].to(weight.device)) for name, weight in self.weights.items()}
        kept = {name: self.mask[name].to(weight.device) for name, weight in self.weights.items()}
        return {name: score(*(torch.where(kept[name], x, 0) for x in pair)) for name, pair in pairs.items()}

    def required_network(self) -> Network:
        """The network; LotteryError where there is none."""
        if self.network is None:
            raise LotteryError("the score needs the network and training examples, which were not given")
        return self.network

    def leaves(self) -> dict[str, Tensor]:
        """The weights to differentiate by, pruned ones at zero, on the device of the examples."""
        device = self.required_network().device
        masked = {name: torch.where(self.mask[name].to(x.device), x.detach(), 0) for name, x in self.weights.items()}
        return {name: weight.to(device).clone().requires_grad_() for name, weight in masked.items()}
