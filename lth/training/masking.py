"""The mask of a network in training: on its gradients at every step, on weights and optimiser state when it changes."""

import torch
from torch import Tensor, nn

from lth.core.errors import LotteryError
from lth.core.weights import Mask


def check_fit(model: nn.Module, mask: Mask) -> None:
    """Raises LotteryError naming the first tensor where `mask` is that of another model."""
    parameters = dict(model.named_parameters())
    for name, kept in mask.items():
        if name not in parameters or parameters[name].shape != kept.shape:
            there = tuple(parameters[name].shape) if name in parameters else "nothing of that name"
            raise LotteryError(f"the mask does not fit: {name} is {tuple(kept.shape)}, the model has {there}")


class Masking:
    """The present mask of `model`, whose weights are masked already, and of its `optimizer`."""

    def __init__(self, model: nn.Module, mask: Mask, optimizer: torch.optim.Optimizer) -> None:
        self.parameters, self.optimizer = dict(model.named_parameters()), optimizer
        self.hold(mask)

    def hold(self, mask: Mask) -> None:
        """Masks gradients by `mask` from now on; weights and optimiser state are taken to be masked by it."""
        self.mask = mask
        self.pruned = [  # a layer that is whole needs no mask: times one is the same bits
            (self.parameters[name], kept.to(self.parameters[name].device).float())
            for name, kept in mask.items()
            if not kept.all()
        ]

    def gradients(self) -> None:
        """After backward, so that neither momentum nor weight decay ever sees a pruned weight."""
        pairs = [(weight.grad, mask) for weight, mask in self.pruned if weight.grad is not None]
        if pairs:
            torch._foreach_mul_([gradient for gradient, _ in pairs], [mask for _, mask in pairs])

    @torch.no_grad()
    def change(self, mask: Mask) -> None:
        """From `mask` to another of the same layers: a weight that is new or gone is zero, its optimiser state too.

        Momentum and Adam's moments are that state. Adam's step count stays, so a new weight's first steps are not
        corrected for moments that begin at zero, as in the code of Evci et al. 2020.
        """
        for name, kept in mask.items():
            weight = self.parameters[name]
            changed = (kept ^ self.mask[name]).to(weight.device)
            if changed.any():
                states = [x for x in self.optimizer.state.get(weight, {}).values() if _alike(x, weight)]
                for tensor in (weight, *states):
                    tensor.masked_fill_(changed, 0)
        self.hold(mask)


def _alike(value: object, weight: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == weight.shape
