"""A trial of a network on a copy: which of its layers can use the sparse products, and how each is called."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from lth.core.errors import LotteryError, reason_of
from lth.core.keeping import copied, kept
from lth.core.rng import global_rng
from lth.kernels.weights import SparseWeights, Use

EXAMPLES = 4
"""How many examples the trial takes."""


@dataclass
class Trial:
    """reasons: as of `eligible`. uses: parameter's name -> its uses in a pass of `examples` examples."""

    model: nn.Module
    examples: int
    reasons: dict[str, str | None]
    uses: dict[str, list[Use]] = field(default_factory=dict)

    def refuse(self, name: str, reason: str) -> None:
        """Keeps the first reason."""
        self.reasons[name] = self.reasons[name] or reason

    @contextmanager
    def network(self) -> Iterator[nn.Module]:
        """A copy of the model in training mode; what passes through it change elsewhere is put back."""
        probe = copied(self.model)
        with global_rng(0, "kernels"), kept(probe, shared=True), torch.enable_grad():
            probe.train()
            for parameter in probe.parameters():
                parameter.grad = None
            yield probe


def eligible(model: nn.Module, masks: Mapping[str, Tensor], images: Tensor) -> dict[str, str | None]:
    """Parameter's name -> None where its layer can use the sparse products, else the reason in a few words.

    A weight must be float32 on the CPU, trained, and used as the weight of `functional.linear`, `conv1d` or `conv2d`
    and in no other way. images: a few inputs, (N, ...); the model, its buffers and the generators stay as they are.
    """
    return tried(model, masks, images).reasons


def tried(model: nn.Module, masks: Mapping[str, Tensor], images: Tensor) -> Trial:
    """One forward and backward pass of a copy of `model`, in training mode, that looks at each use of the weights."""
    images = images[:EXAMPLES].detach().clone()
    trial = Trial(model, len(images), {name: _plainly(model, name) for name in masks})
    rest = {name: mask for name, mask in masks.items() if trial.reasons[name] is None}
    if not rest:
        return trial
    try:
        with trial.network() as network:
            weights = SparseWeights(network, rest, refuse=trial.refuse)
            with weights:
                forward_backward(network, images)
        trial.uses = weights.uses
        trial.reasons.update({name: _reason(weights, name) for name in rest if trial.reasons[name] is None})
    except Exception as error:  # whatever a user's own network raises where tensors have other strides
        trial.reasons.update(dict.fromkeys(rest, f"the network cannot be run with it: {reason_of(error)}"))
    return trial


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


def _reason(weights: SparseWeights, name: str) -> str | None:
    """Why the parameter cannot use them, after a pass in which no other use of it was seen."""
    if weights.parameters[name].grad is not None:
        return "is used in another way than as the weight of a layer"
    if weights.values[name].grad is None:
        return "is the weight of no linear layer or convolution that the outputs depend on"
    return None


def forward_backward(model: nn.Module, images: Tensor) -> None:
    """One pass of `model` forward and backward; gradients are left in its parameters."""
    outputs = [x for x in _tensors(model(images)) if x.requires_grad]
    if not outputs:
        raise LotteryError("its outputs depend on no parameter")
    torch.autograd.backward(outputs, [torch.ones_like(x) for x in outputs])


def _tensors(outputs: Any) -> list[Tensor]:
    if isinstance(outputs, Tensor):
        return [outputs]
    parts = outputs.values() if isinstance(outputs, Mapping) else outputs if isinstance(outputs, (tuple, list)) else ()
    return [tensor for part in parts for tensor in _tensors(part)]
