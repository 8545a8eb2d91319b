"""Which layers of a network can use the sparse products: one trial, on a copy, finds out how each weight is used."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lth.core.errors import LotteryError, reason_of
from lth.core.keeping import copied, kept
from lth.core.rng import global_rng
from lth.kernels.weights import SparseWeights

EXAMPLES = 4
"""How many examples the trial takes."""


def eligible(model: nn.Module, masks: Mapping[str, Tensor], images: Tensor) -> dict[str, str | None]:
    """Parameter's name -> None where its layer can use the sparse products, else the reason in a few words.

    A weight must be float32 on the CPU, trained, and used as the weight of `functional.linear`, `conv1d` or `conv2d`
    and in no other way. images: a few inputs, (N, ...); the model, its buffers and the generators stay as they are.
    """
    reasons: dict[str, str | None] = {name: _plainly(model, name) for name in masks}
    rest = {name: mask for name, mask in masks.items() if reasons[name] is None}
    if not rest:
        return reasons
    try:
        probe = copied(model)
        with global_rng(0, "kernels"), kept(probe, shared=True):
            reasons.update(_tried(probe, rest, images[:EXAMPLES].detach().clone()))
    except Exception as error:  # whatever a user's own network raises where tensors have other strides
        reasons.update(dict.fromkeys(rest, f"the network cannot be run with it: {reason_of(error)}"))
    return reasons


def _plainly(model: nn.Module, name: str) -> str | None:
    """Why the parameter cannot use them, as far as it can be told without a trial."""
    if any(hasattr(module, "_orig_mod") or isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        return "the network is compiled"
    places = dict(model.named_parameters(remove_duplicate=False))
    weight = places[name]
    if sum(other is weight for other in places.values()) > 1:
        return "shares its weights with another layer"
    if not weight.requires_grad:
        return "is frozen"
    if type(weight) is not nn.Parameter or weight.dtype != torch.float32 or weight.device.type != "cpu":
        return f"is {type(weight).__name__} of {weight.dtype} on {weight.device}"
    return None


def _tried(model: nn.Module, masks: Mapping[str, Tensor], images: Tensor) -> dict[str, str | None]:
    """The same, by a forward and a backward pass of `model`, which is changed, in training mode."""
    reasons: dict[str, str | None] = {}
    model.train()
    for parameter in model.parameters():
        parameter.grad = None
    weights = SparseWeights(model, masks, refuse=reasons.setdefault)
    with torch.enable_grad(), weights:
        outputs = [x for x in _tensors(model(images)) if x.requires_grad]
        if not outputs:
            raise LotteryError("its outputs depend on no parameter")
        torch.autograd.backward(outputs, [torch.ones_like(x) for x in outputs])
    for name, values in weights.values.items():
        if weights.parameters[name].grad is not None:
            reasons.setdefault(name, "is used in another way than as the weight of a layer")
        elif values.grad is None:
            reasons.setdefault(name, "is the weight of no linear layer or convolution that the outputs depend on")
    return {name: reasons.get(name) for name in masks}


def _tensors(outputs: Any) -> list[Tensor]:
    if isinstance(outputs, Tensor):
        return [outputs]
    parts = outputs.values() if isinstance(outputs, Mapping) else outputs if isinstance(outputs, (tuple, list)) else ()
    return [tensor for part in parts for tensor in _tensors(part)]
