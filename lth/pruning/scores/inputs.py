"""What scores are taken from: weights, and for some of them the network itself with fixed training examples."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from lth.core.errors import LotteryError
from lth.core.weights import State, modes_kept


@dataclass(frozen=True)
class Network:
    """A network at the weights `state` (whole), and training examples to score on; all where `images` lie.

    `model` gives the architecture; neither its own weights nor its buffers play a part, and they stay as they are.
    """

    model: nn.Module
    state: State
    images: Tensor
    labels: Tensor

    def loss(self, weights: Mapping[str, Tensor], temperature: float = 1.0) -> Tensor:
        """The mean loss with `weights` in place of those of the state, logits over `temperature`; differentiable.

        Dropout is off, and BatchNorm normalises by the batch, which all examples are.
        """
        with self._modes(nn.modules.batchnorm._BatchNorm):
            logits = functional_call(self.model, self._tensors(torch.clone) | dict(weights), (self.images,))
        return functional.cross_entropy(logits / temperature, self.labels)

    def flow(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The sum of the outputs for an input of ones, every tensor by magnitude, `weights` in place of its own.

        In double precision and evaluation mode, as scores of deep networks span many orders (Tanaka et al. 2020).
        """
        ones = torch.ones(1, *self.images.shape[1:], dtype=torch.float64, device=self.images.device)
        with self._modes():
            outputs = functional_call(self.model, self._tensors(_magnitude) | dict(weights), (ones,))
        return torch.as_tensor(outputs).sum()

    def _tensors(self, made: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """Every parameter and buffer once, made new: a BatchNorm that counts its batches counts in the copy."""
        own = dict(self.model.named_parameters()) | dict(self.model.named_buffers())
        tensors = {name: self.state.get(name, tensor).detach() for name, tensor in own.items()}
        return {name: made(tensor.to(self.images.device)) for name, tensor in tensors.items()}

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
    """What a score may be taken from; tensors by prunable layer.

    weights: those that are scored, pruned ones not zeroed; mask: what is kept so far; generator: for what is drawn;
    initial: the weights that training began with; network: with its examples, for scores that ask for gradients.
    """

    weights: Mapping[str, Tensor]
    mask: Mapping[str, Tensor]
    generator: torch.Generator
    initial: Mapping[str, Tensor] | None = None
    network: Network | None = None

    def compared(self, score: Callable[[Tensor, Tensor], Tensor]) -> dict[str, Tensor]:
        """`score` of (weights, initial weights) of each layer, both zero where pruned.

        Raises LotteryError where the initial ones are not there.
        """
        if self.initial is None:
            raise LotteryError("the score compares trained weights with initial ones, and those were not given")
        pairs = {name: (weight, self.initial[name].to(weight.device)) for name, weight in self.weights.items()}
        kept = {name: self.mask[name].to(weight.device) for name, weight in self.weights.items()}
        return {name: score(*(torch.where(kept[name], x, 0) for x in pair)) for name, pair in pairs.items()}

    def asked(self) -> Network:
        """The network; LotteryError where it was not given."""
        if self.network is None:
            raise LotteryError("the score needs the network and training examples, and those were not given")
        return self.network

    def leaves(self) -> dict[str, Tensor]:
        """The weights to differentiate by, pruned ones at zero, where the examples lie."""
        device = self.asked().images.device
        masked = {name: torch.where(self.mask[name].to(x.device), x.detach(), 0) for name, x in self.weights.items()}
        return {name: weight.to(device).clone().requires_grad_() for name, weight in masked.items()}
