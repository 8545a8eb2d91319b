"""The mask of a network in training: applied to gradients at every step, to weights and optimiser state on a change."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lth.core.errors import LotteryError
from lth.core.weights import Mask

RATES = {"step_size"}
"""What an optimiser keeps of each weight that is no memory of its gradients: the step sizes of Rprop."""


def check_fit(model: nn.Module, mask: Mapping[str, Tensor]) -> None:
    """Raises LotteryError naming the first tensor of `mask` whose name or shape differs from the model's."""
    check_shapes(dict(model.named_parameters()), mask)


def check_shapes(parameters: Mapping[str, Tensor], mask: Mapping[str, Tensor]) -> None:
    """Raises LotteryError naming the first tensor of `mask` whose name or shape differs from those of `parameters`."""
    for name, kept in mask.items():
        if name not in parameters or parameters[name].shape != kept.shape:
            there = tuple(parameters[name].shape) if name in parameters else "nothing of that name"
            raise LotteryError(f"the mask does not fit: {name} is {tuple(kept.shape)}, the model has {there}")


def moments(weight: Tensor, optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """What `optimizer` remembers of the gradients of each element of `weight`: momentum, the moments of Adam."""
    state = optimizer.state.get(weight, {})
    return [x for key, x in state.items() if isinstance(x, Tensor) and x.shape == weight.shape and key not in RATES]


class Masking:
    """The present mask of `model`, whose weights are already masked, and of its `optimizer`."""

    def __init__(self, model: nn.Module, mask: Mask, optimizer: torch.optim.Optimizer) -> None:
        self.parameters, self.optimizer = dict(model.named_parameters()), optimizer
        self.hold(mask)

    def hold(self, mask: Mask) -> None:
        """Masks gradients by `mask` from now on; weights and optimiser state must already be masked."""
        self.mask = mask
        self.pruned = [  # an unpruned layer needs no mask: a product with one has the same bits
            (self.parameters[name], kept.to(self.parameters[name].device).float())
            for name, kept in mask.items()
            if not kept.all()
        ]

    def gradients(self) -> None:
        """Masks the gradients; called after backward, so that pruned weights get no momentum and no weight decay."""
        pairs = [(weight.grad, mask) for weight, mask in self.pruned if weight.grad is not None]
        if pairs:
            torch._foreach_mul_([gradient for gradient, _ in pairs], [mask for _, mask in pairs])

    @torch.no_grad()
    def change(self, mask: Mask) -> None:
        """Changes to `mask`, of the same layers: pruned and grown weights become zero, their optimiser state too.

        That state is momentum and Adam's moments. Adam's step count stays, so that the first steps of a grown weight
        have no bias correction, as in the code of Evci et al. (2020).
        """
        for name, kept in mask.items():
            weight = self.parameters[name]
            changed = (kept ^ self.mask[name]).to(weight.device)
            if changed.any():
                for tensor in (weight, *moments(weight, self.optimizer)):
                    tensor.masked_fill_(changed, 0)
        self.hold(mask)
