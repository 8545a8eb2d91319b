"""Tickets from models that `torch.nn.utils.prune` pruned, and such models from tickets."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from lth.core.errors import LotteryError
from lth.core.weights import load
from lth.lottery.ticket import Ticket

ORIGINAL, MASK = "_orig", "_mask"
"""What torch puts behind the name of a pruned parameter: its weights, pruned ones too, and its mask of 0 and 1."""


def from_torch_pruning(pruned: nn.Module | Mapping[str, Tensor] | str | Path, model: nn.Module | None = None) -> Ticket:
    """The ticket of a model that torch pruned: its masks, and its weights with those at pruned places.

    pruned: the model, its state dict, or a file with that (read by `torch.load` with `weights_only=True`). model: one
    of its architecture, pruned or not; a pruned model is its own. Linear and convolution layers without a mask are
    whole. Raises LotteryError for a state dict of another architecture, with a mask missing, or without any, for a
    bias that is pruned, and for a layer of which nothing is left.
    """
    model = pruned if model is None and isinstance(pruned, nn.Module) else model
    if model is None:
        raise LotteryError("a state dict alone does not tell its architecture: give model= one of the same")
    found = pruned.state_dict() if isinstance(pruned, nn.Module) else pruned
    if isinstance(found, (str, Path)):
        found = _read(Path(found))
    shapes = _shapes(model)
    state, masks = _parted(found, shapes)
    weights = _prunable(model)
    for name, mask in masks.items():
        if name not in weights and not mask.all():
            raise LotteryError(f"{name} is pruned there; a ticket prunes the weights of Linear and convolution layers")
        if not mask.any():
            raise LotteryError(f"layer collapse: nothing is left of {name}")
    whole = {name: torch.ones(shapes[name], dtype=torch.bool) for name in weights}
    kept = {name: masks.get(name, mask) for name, mask in whole.items()}
    return Ticket(kept, state, provenance={"from": "torch.nn.utils.prune"})


def to_torch_pruning(ticket: Ticket, model: nn.Module) -> nn.Module:
    """`model` with the ticket's weights and masks as `torch.nn.utils.prune` has them, so that torch trains it masked.

    Its state dict has `weight_orig` (the ticket's weights, pruned ones too) and `weight_mask`. Raises LotteryError,
    with the model unchanged, where the ticket does not fit, where the model is pruned already, and for a weight that
    two modules share: torch would prune it in one of them alone.
    """
    if prune.is_pruned(model):
        raise LotteryError("the model is pruned by torch already: make_permanent(model) ends that")
    owners: dict[int, int] = {}
    for _, parameter in model.named_parameters(remove_duplicate=False):
        owners[id(parameter)] = owners.get(id(parameter), 0) + 1
    parameters = dict(model.named_parameters())
    for name in ticket.mask:
        if name in parameters and owners[id(parameters[name])] > 1:
            raise LotteryError(f"{name} is shared by two modules, which torch.nn.utils.prune cannot prune as one")
    ticket.apply(model)  # it looks at all names and shapes before it changes any
    load(model, ticket.state)
    for name, kept in ticket.mask.items():
        place, _, own = name.rpartition(".")
        prune.custom_from_mask(model.get_submodule(place), own, kept.to(parameters[name].device))
    return model


def make_permanent(model: nn.Module) -> nn.Module:
    """`model` with its pruned weights at zero and without torch's masks, as `prune.remove` of each; in place.

    Raises LotteryError where torch has pruned nothing of it.
    """
    found = [
        (module, hook._tensor_name)
        for module in model.modules()
        for hook in module._forward_pre_hooks.values()
        if isinstance(hook, prune.BasePruningMethod)
    ]
    if not found:
        raise LotteryError("torch.nn.utils.prune has pruned nothing of the model: there is nothing to make permanent")
    for module, name in found:
        prune.remove(module, name)
    return model


def _read(path: Path) -> Mapping[str, Tensor]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise LotteryError(f"{path} cannot be read as a state dict: {reason}") from error
    if not isinstance(found, Mapping) or not all(isinstance(tensor, Tensor) for tensor in found.values()):
        raise LotteryError(f"{path} holds no state dict: names and tensors are needed, from model.state_dict()")
    return found


def _prunable(model: nn.Module) -> list[str]:
    """The names of Linear and convolution weights, as `lth.pruning.mask.prunable` has them; one shared counts once."""
    own = {_base(name) if name.endswith(ORIGINAL) else name for name, _ in model.named_parameters()}
    modules = [x for x in model.named_modules() if isinstance(x[1], (nn.Linear, nn.modules.conv._ConvNd))]
    return [name for name in (f"{place}.weight" if place else "weight" for place, _ in modules) if name in own]


def _shapes(model: nn.Module) -> dict[str, torch.Size]:
    """The shape of each tensor of the state dict that `model` has without torch's pruning."""
    own = model.state_dict()
    pruned = [name.removesuffix(ORIGINAL) for name in own if name.endswith(ORIGINAL) and _base(name) + MASK in own]
    plain = {name: tensor.shape for name, tensor in own.items()}
    for name in pruned:
        plain[name] = plain.pop(name + ORIGINAL)
        del plain[name + MASK]
    return plain


def _base(name: str) -> str:
    return name.removesuffix(ORIGINAL).removesuffix(MASK)


def _parted(
    found: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(the state, the masks) of a state dict, by the names of the architecture `shapes`; copies, on the CPU."""
    for name in found:
        if name not in shapes and _base(name) not in shapes:
            raise LotteryError(f"the state dict is of another architecture: the model has no {name}")
    state, masks = {}, {}
    for name, shape in shapes.items():
        parts = [key for key in (name + ORIGINAL, name + MASK) if key in found and key not in shapes]
        if len(parts) == 1:
            other = name + (MASK if parts[0].endswith(ORIGINAL) else ORIGINAL)
            raise LotteryError(f"the state dict has {parts[0]} and not {other}: half of a pruned weight is missing")
        if bool(parts) == (name in found):
            problem = (
                "pruned and unpruned at once" if parts else "not in the state dict, which is of another architecture"
            )
            raise LotteryError(f"{name} is {problem}")
        for key in parts or [name]:
            if found[key].shape != shape:
                there = tuple(found[key].shape)
                raise LotteryError(f"the state dict is of another architecture: {key} is {there}, not {tuple(shape)}")
        state[name] = found[name + ORIGINAL if parts else name].detach().to("cpu", copy=True)
        if parts:
            mask = found[name + MASK]
            if not ((mask == 0) | (mask == 1)).all():
                raise LotteryError(f"{name + MASK} holds other values than 0 and 1")
            masks[name] = mask.detach().bool().cpu()
    if not masks:
        raise LotteryError("the state dict has no mask (weight_mask): prune.remove, or no pruning, left none")
    return state, masks
