"""The step of a fused optimiser without what torch does anew before each one: lists of tensors, hooks and records.

For a network of a few layers that takes as long as a third of the step itself.
"""

from typing import Any

import torch
from torch import Tensor
from torch.optim import optimizer as torchs


class PreparedStep:
    """Makes the steps of `optimizer`, a fused SGD, Adam or AdamW of float32 weights on one device: the same bits.

    A step is torch's own where it is the first one after the state of the optimiser was made or loaded, where a
    parameter has no gradient, and where the optimiser has hooks.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        self.parameters: list[Tensor] = [x for group in optimizer.param_groups for x in group["params"]]
        self.uniform = len({(x.device, x.dtype) for x in self.parameters}) == 1
        self.state: Any = None  # that of the optimiser, once every parameter is in `groups`
        self.groups: list[tuple[dict[str, Any], list[Tensor], dict[str, list[Tensor]]]] = []

    def __call__(self) -> None:
        """Makes a step by the gradients of the parameters."""
        if self.optimizer.state is not self.state or any(x.grad is None for x in self.parameters):
            self.optimizer.step()
            self._prepare()
            return
        with torch.no_grad():
            for group, parameters, states in self.groups:
                gradients: list[Any] = [x.grad for x in parameters]
                step = _adam if "betas" in group else _sgd
                step(group, parameters, gradients, states)

    def _prepare(self) -> None:
        """Lists the tensors of the present state, where steps of this kind can be made from it."""
        optimizer, self.state = self.optimizer, None
        keys = {key for x in self.parameters for key, value in optimizer.state[x].items() if isinstance(value, Tensor)}
        stateful = all(optimizer.state[x].keys() >= keys for x in self.parameters)
        if self.uniform and stateful and not _has_hooks(optimizer):
            self.state = optimizer.state
            self.groups = [
                (group, group["params"], {key: [optimizer.state[x][key] for x in group["params"]] for key in keys})
                for group in optimizer.param_groups
            ]


def _adam(
    group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor], states: dict[str, list[Tensor]]
) -> None:
    """The step of `torch.optim.Adam` or `AdamW`, as in `torch.optim.adam._fused_adam`."""
    torch._foreach_add_(states["step"], 1)
    update = torch._fused_adamw_ if group["decoupled_weight_decay"] else torch._fused_adam_
    update(
        parameters,
        gradients,
        states["exp_avg"],
        states["exp_avg_sq"],
        [],
        states["step"],
        amsgrad=False,
        lr=group["lr"],
        beta1=group["betas"][0],
        beta2=group["betas"][1],
        weight_decay=group["weight_decay"],
        eps=group["eps"],
        maximize=False,
    )


def _sgd(
    group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor], states: dict[str, list[Tensor]]
) -> None:
    """The step of `torch.optim.SGD`, as in `torch.optim.sgd._fused_sgd`."""
    torch._fused_sgd_(
        parameters,
        gradients,
        states.get("momentum_buffer", []),
        weight_decay=group["weight_decay"],
        momentum=group["momentum"],
        lr=group["lr"],
        dampening=group["dampening"],
        nesterov=group["nesterov"],
        maximize=False,
        is_first_step=False,
    )


def _has_hooks(optimizer: torch.optim.Optimizer) -> bool:
    """Whether anything is to be called before or after a step."""
    hooks = (
        optimizer._optimizer_step_pre_hooks,
        optimizer._optimizer_step_post_hooks,
        torchs._global_optimizer_pre_hooks,
        torchs._global_optimizer_post_hooks,
    )
    return any(hooks)
