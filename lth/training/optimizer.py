"""Torch's optimisers, from a plan, and their state in checkpoints."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lth.core.weights import is_finite
from lth.training.recipe import Plan


def make_optimizer(model: nn.Module, plan: Plan, values: Mapping[str, Tensor] | None = None) -> torch.optim.Optimizer:
    """The plan's optimiser, fused; weight decay on tensors of two or more dimensions, or on all (`decay=all`).

    values: parameter's name -> what is trained in its place, and decays as it does.
    """
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    leaves: dict[str, Tensor] = {**trained, **(values or {})}
    weights = [leaves[name] for name, parameter in trained.items() if parameter.ndim >= 2]
    others = [leaves[name] for name, parameter in trained.items() if parameter.ndim < 2]
    return optimizer_of(weights, others, plan, list(leaves.values()))


def optimizer_of(
    weights: Sequence[Tensor], others: Sequence[Tensor], plan: Plan, ordered: Sequence[Tensor] = ()
) -> torch.optim.Optimizer:
    """The plan's optimiser, fused, of `weights`, which decay, and `others`, which do so where all do (`decay=all`).

    Where they need no two groups, they come as `ordered`, if that is given.
    """
    if plan.decay == "all" or plan.weight_decay == 0:  # one parameter group is faster than two
        weights, others = ordered or [*weights, *others], []
    groups = [{"params": weights, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    if plan.optimizer == "sgd":
        return SGD(groups, lr=plan.lr, momentum=plan.momentum, nesterov=plan.nesterov, fused=True)
    return (AdamW if plan.optimizer == "adamw" else Adam)(groups, lr=plan.lr, betas=plan.betas, fused=True)


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


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Sets the learning rate of every parameter."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of `optimizer` as a flat dict of tensors, "<parameter number>/<key>"."""
    return {
        f"{number}/{key}": value
        for number, entries in optimizer.state_dict()["state"].items()
        for key, value in entries.items()
        if isinstance(value, Tensor)
    }


def check_optimizer(tensors: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> None:
    """Raises ValueError where `tensors` are not the state of an optimiser like `optimizer` after a step."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    keys: dict[str, set[str]] = {}
    for name, tensor in tensors.items():
        number, _, key = name.partition("/")
        keys.setdefault(number, set()).add(key)
        if not number.isdecimal() or int(number) >= len(parameters):
            raise ValueError(f"the optimiser has no parameter {number}")
        if tensor.shape not in ((), parameters[int(number)].shape) or not is_finite(tensor):
            raise ValueError(f"{name} of the optimiser is not of its parameter")
    expected = _keys_after_step(optimizer)
    for number, there in keys.items():
        if there != expected:
            raise ValueError(f"the optimiser keeps {sorted(expected)}, not {sorted(there)}, of parameter {number}")


def _keys_after_step(optimizer: torch.optim.Optimizer) -> set[str]:
    """The names of the tensors that an optimiser like `optimizer` keeps of each parameter."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    parameter.grad = torch.zeros(1)
    settings = {key: value for key, value in optimizer.param_groups[0].items() if key != "params"}
    kind: Any = type(optimizer)
    trial = kind([{**settings, "params": [parameter]}], lr=0.0)
    trial.step()
    return {name.partition("/")[2] for name in optimizer_tensors(trial)}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restores the state that `optimizer_tensors` gave in a new optimiser of the same parameters; else ValueError."""
    check_optimizer(tensors, optimizer)
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, _, key = name.partition("/")
        state.setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
