"""Torch's optimisers, from a plan."""

import inspect
from typing import Any

import torch
from torch import nn

from lth.training.recipe import Plan


def make_optimizer(model: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    """The plan's optimiser, fused; weight decay on tensors of two or more dimensions, or on all (`decay=all`)."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    everything = plan.decay == "all" or plan.weight_decay == 0  # one parameter group is faster than two
    decayed = [p for p in parameters if everything or p.ndim >= 2]
    others = [p for p in parameters if not everything and p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    if plan.optimizer == "sgd":
        return SGD(groups, lr=plan.lr, momentum=plan.momentum, nesterov=plan.nesterov, fused=True)
    return (AdamW if plan.optimizer == "adamw" else Adam)(groups, lr=plan.lr, fused=True)


def _plain(function: Any) -> Any:
    """`function` without the decorators of torch's that import its compiler, for seconds, at the first call.

    They keep the compiler off what is compiled; here nothing is. Where there are none, it is the function itself.
    """
    return inspect.unwrap(function)


class Uncompiled(torch.optim.Optimizer):
    """What is decorated in every optimiser of torch, plain."""

    add_param_group = _plain(torch.optim.Optimizer.add_param_group)
    state_dict = _plain(torch.optim.Optimizer.state_dict)
    load_state_dict = _plain(torch.optim.Optimizer.load_state_dict)
    zero_grad = _plain(torch.optim.Optimizer.zero_grad)


class SGD(Uncompiled, torch.optim.SGD):
    """Torch's SGD, to the bit."""

    step = torch.no_grad()(_plain(torch.optim.SGD.step))


class Adam(Uncompiled, torch.optim.Adam):
    """Torch's Adam, to the bit."""

    step = torch.no_grad()(_plain(torch.optim.Adam.step))


class AdamW(Uncompiled, torch.optim.AdamW):
    """Torch's AdamW, to the bit."""

    step = torch.no_grad()(_plain(torch.optim.AdamW.step))
