"""Torch's optimisers, from a plan."""

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
        return torch.optim.SGD(groups, lr=plan.lr, momentum=plan.momentum, nesterov=plan.nesterov, fused=True)
    kind = torch.optim.AdamW if plan.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=plan.lr, fused=True)
