"""State dicts and masks as plain data: copying, masking, loading, hashing."""

import copy
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

State = dict[str, Tensor]
"""Parameter and buffer name -> tensor: what `nn.Module.state_dict()` returns."""

Mask = dict[str, Tensor]
"""Prunable parameter name -> bool tensor of its shape; True is kept."""


def clone(state: Mapping[str, Tensor]) -> State:
    """A copy of `state` that shares no memory with it and has no gradient graph."""
    return {name: tensor.detach().clone() for name, tensor in state.items()}


def on_cpu(state: Mapping[str, Tensor]) -> State:
    """A contiguous copy of `state` on the CPU."""
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in state.items()}


def masked(state: Mapping[str, Tensor], mask: Mapping[str, Tensor]) -> State:
    """A copy of `state` with its pruned weights at zero.

    >>> masked({"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([True, False])})
    {'w': tensor([1., 0.])}
    """
    return {
        name: torch.where(mask[name].to(tensor.device), tensor, 0) if name in mask else tensor.clone()
        for name, tensor in ((name, tensor.detach()) for name, tensor in state.items())
    }


def digest(tensors: Mapping[str, Tensor]) -> str:
    """A hash of names, dtypes, shapes and every byte (blake2b, 128 bits, hexadecimal)."""
    total = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        if tensor.numel():  # an empty tensor has no bytes, and no one-dimensional byte view
            total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def load(model: nn.Module, state: Mapping[str, Tensor], mask: Mapping[str, Tensor] | None = None) -> None:
    """Copies `state` into `model` in place, pruned weights as zeros.

    Raises RuntimeError where names or shapes differ, as `load_state_dict` does.
    """
    mask = mask or {}
    model.load_state_dict(masked(state, mask))
    parameters = dict(model.named_parameters())
    for name, kept in mask.items():  # a tensor with two names was loaded twice, the second time unmasked
        parameters[name].detach().masked_fill_(~kept.to(parameters[name].device), 0)


def copied(model: nn.Module) -> nn.Module:
    """A copy of `model`, also where it keeps tensors that it has computed, which `copy.deepcopy` alone refuses.

    Such are the weight under `torch.nn.utils.weight_norm`, or an activation that a module keeps; the copy has them
    without their gradient graph.
    """
    memo: dict[int, Any] = {}
    for module in model.modules():
        for tensor in _computed(vars(module)):
            memo[id(tensor)] = tensor.detach().clone()
    return copy.deepcopy(model, memo)


def _computed(value: object) -> Iterator[Tensor]:
    """The tensors with a gradient graph in `value`, or in the lists, tuples and dicts that it consists of."""
    if isinstance(value, Tensor) and value.grad_fn is not None:
        yield value
    elif isinstance(value, (Mapping, list, tuple)):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _computed(item)


@contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """Restores the training or evaluation mode of every module of `model` afterwards."""
    modes = {module: module.training for module in model.modules()}
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
