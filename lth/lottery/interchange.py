"""Tickets from models that `torch.nn.utils.prune` pruned, and such models from tickets."""

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from lth.core.errors import LotteryError, first_line
from lth.core.reading import opened, regular
from lth.core.shown import brief
from lth.core.weights import load, shared_names
from lth.core.wrappers import bare, with_names_of
from lth.lottery.ticket import Ticket, check_shared

ORIGINAL, MASK = "_orig", "_mask"
"""The suffixes that torch gives a pruned parameter: its weights, pruned ones too, and its mask of 0 and 1."""


def from_torch_pruning(pruned: nn.Module | Mapping[str, Tensor] | str | Path, model: nn.Module | None = None) -> Ticket:
    """The ticket of a model that torch pruned: its masks, and its weights, also those at pruned positions.

    pruned: the model, its state dict, or a file of the state dict (read by `torch.load` with `weights_only=True`).
    model: one of the same architecture, pruned or not; None: `pruned` itself. Linear and convolution layers without a
    mask are dense; other parameters have a mask where torch has pruned them. Raises LotteryError for a state dict of
    another architecture, for one without masks or with one missing, for a layer without weights left, and for a weight
    that layers share where torch has not pruned it in the same way in all of them.

    >>> layer = prune.l1_unstructured(nn.Linear(4, 2), "weight", amount=0.5)
    >>> from_torch_pruning(layer).density
    0.5
    """
    if isinstance(pruned, nn.Module):
        pruned = bare(pruned)
    model = pruned if model is None and isinstance(pruned, nn.Module) else model
    if model is None:
        raise LotteryError("a state dict alone does not tell its architecture: give model= one of the same")
    state_dict = pruned.state_dict() if isinstance(pruned, nn.Module) else pruned
    if isinstance(state_dict, (str, Path)):
        state_dict = _read(Path(state_dict))
    if not _is_state_dict(state_dict):
        raise LotteryError(
            f"{type(pruned).__name__} is no state dict: names and tensors are needed, from model.state_dict()"
        )
    model = bare(model)
    shapes = _shapes(model)
    names = {name + suffix for name in shapes for suffix in ("", ORIGINAL, MASK)}
    state, masks = _parted(with_names_of(state_dict, names), shapes)
    shared = _shared(model)
    full = {name: torch.ones(shapes[name], dtype=torch.bool) for name in (*shared, *shared.values())}
    check_shared(state, full | masks, shared)
    for name in _parameters(model) & state.keys():
        if not bool(state[name].float().isfinite().all()):
            raise LotteryError(f"{name} holds NaN or infinity there")
    masks = {shared.get(name, name): mask for name, mask in masks.items()}
    weights = _prunable(model, shared)
    for name, mask in masks.items():
        if not mask.any():
            raise LotteryError(f"layer collapse: nothing is left of {name}")
    weights += [name for name, mask in masks.items() if name not in weights and not mask.all()]
    full = {name: torch.ones(shapes[name], dtype=torch.bool) for name in weights}
    kept = {name: masks.get(name, mask) for name, mask in full.items()}
    return Ticket(kept, state, provenance={"from": "torch.nn.utils.prune"})


def to_torch_pruning(ticket: Ticket, model: nn.Module) -> nn.Module:
    """`model` with the ticket's weights and masks as `torch.nn.utils.prune` has them, so that torch trains it masked.

    Its state dict has `weight_orig` (the ticket's weights, pruned ones too) and `weight_mask`. Raises LotteryError,
    with the model unchanged, where the ticket does not fit, where torch has already pruned the model, and for a weight
    that two modules share: torch would prune it in one of them alone.
    """
    given, model = model, bare(model)
    ticket = ticket.named_as(model)
    if prune.is_pruned(model):
        raise LotteryError("torch has already pruned the model: make_permanent(model) ends that")
    owners: dict[int, int] = {}
    for _, parameter in model.named_parameters(remove_duplicate=False):
        owners[id(parameter)] = owners.get(id(parameter), 0) + 1
    parameters = dict(model.named_parameters())
    for name in ticket.mask:
        if name in parameters and owners[id(parameters[name])] > 1:
            raise LotteryError(f"{name} is shared by two modules, which torch.nn.utils.prune cannot prune as one")
    ticket.apply(model)  # checks all names and shapes before it changes anything
    load(model, ticket.state)
    for name, kept in ticket.mask.items():
        module, _, parameter_name = name.rpartition(".")
        prune.custom_from_mask(model.get_submodule(module), parameter_name, kept.to(parameters[name].device))
    return given


def make_permanent(model: nn.Module) -> nn.Module:
    """`model` with its pruned weights at zero and without torch's masks, as `prune.remove` does it; in place.

    Raises LotteryError where torch has pruned nothing of it.
    """
    pruned = [
        (module, hook._tensor_name)
        for module in model.modules()
        for hook in module._forward_pre_hooks.values()
        if isinstance(hook, prune.BasePruningMethod)
    ]
    if not pruned:
        raise LotteryError("torch.nn.utils.prune has pruned nothing of the model: there is nothing to make permanent")
    for module, name in pruned:
        prune.remove(module, name)
    return model


def _read(path: Path) -> Mapping[str, Tensor]:
    """The state dict in the file `path`, which runs no code. LotteryError, in one line, for all that is none."""
    try:
        _check_archive(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            state_dict = torch.load(regular(path), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch's own words advise to run what the file holds
        raise LotteryError(
            f"{path} cannot be read as a state dict: it is damaged, or holds more than tensors"
        ) from error
    except Exception as error:  # unpickling what anyone may have written raises nearly anything
        reason = getattr(error, "strerror", None) or first_line(error)
        raise LotteryError(f"{path} cannot be read as a state dict: {reason}") from error
    if not _is_state_dict(state_dict):
        inner = state_dict.items() if isinstance(state_dict, Mapping) else ()
        keys = [brief(key) for key, value in inner if _is_state_dict(value)]
        hint = f"; its entry {keys[0]!r} is one: give that" if keys else ""
        raise LotteryError(f"{path} holds no state dict: names and tensors are needed, from model.state_dict(){hint}")
    return dict(state_dict)


def _is_state_dict(value: Any) -> bool:
    if not isinstance(value, Mapping) or not value:
        return False
    return all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in value.items())


def _check_archive(path: Path) -> None:
    """Raises ValueError where a byte of the archive that torch.save writes has changed: torch.load does not look.

    A pickle of the format before torch 1.6 is no archive and has no checksums.
    """
    with opened(path) as file:
        if not zipfile.is_zipfile(file):
            return
        with zipfile.ZipFile(file) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise ValueError("it is a compressed archive, which torch.save does not write")
            if damaged := archive.testzip():
                raise ValueError(f"its bytes have changed since it was written ({damaged})")


def _check_tensor(name: object, tensor: object) -> None:
    """Raises LotteryError where what a state dict has under `name` is no ordinary tensor."""
    problem = ""
    if not isinstance(name, str) or not isinstance(tensor, Tensor):
        problem = f"is {type(tensor).__name__}: names and tensors are needed, from model.state_dict()"
    elif tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta or tensor.is_nested:
        problem = "is sparse, quantized or without values; an ordinary tensor is needed"
    elif tensor.is_complex():
        problem = "is complex; real numbers are needed"
    if problem:
        raise LotteryError(f"the state dict is none of a pruned model: {brief(name)} {problem}")


def _parameters(model: nn.Module) -> set[str]:
    """The names of the parameters that `model` has without torch's pruning."""
    return {_base(name) if name.endswith(ORIGINAL) else name for name, _ in model.named_parameters()}


def _prunable(model: nn.Module, shared: Mapping[str, str]) -> list[str]:
    """The names of Linear and convolution weights, as in `lth.pruning.mask.prunable`; a shared one counts once."""
    parameters = _parameters(model)
    layers = (nn.Linear, nn.modules.conv._ConvNd)
    names = [f"{name}.weight" if name else "weight" for name, x in model.named_modules() if isinstance(x, layers)]
    return [name for name in dict.fromkeys(shared.get(name, name) for name in names) if name in parameters]


def _shared(model: nn.Module) -> dict[str, str]:
    """Further name -> first name of each tensor that `model` has under several, without torch's pruning."""
    tensors = model.state_dict()
    plain = {name: _base(name) if _base(name) + MASK in tensors else name for name in tensors}
    return {plain[name]: plain[first] for name, first in shared_names(tensors).items()}


def _shapes(model: nn.Module) -> dict[str, torch.Size]:
    """The shape of each tensor of the state dict that `model` has without torch's pruning."""
    tensors = model.state_dict()
    pruned = [x.removesuffix(ORIGINAL) for x in tensors if x.endswith(ORIGINAL) and _base(x) + MASK in tensors]
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    for name in pruned:
        shapes[name] = shapes.pop(name + ORIGINAL)
        del shapes[name + MASK]
    return shapes


def _base(name: str) -> str:
    return name.removesuffix(ORIGINAL).removesuffix(MASK)


def _parted(
    state_dict: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(the state, the masks) of a state dict, by the names of the architecture `shapes`; copies, on the CPU."""
    for name, tensor in state_dict.items():
        _check_tensor(name, tensor)
        if name not in shapes and _base(name) not in shapes:
            raise LotteryError(f"the state dict is of another architecture: the model has no {name}")
    state, masks = {}, {}
    for name, shape in shapes.items():
        keys = [key for key in (name + ORIGINAL, name + MASK) if key in state_dict and key not in shapes]
        _check_keys(state_dict, name, keys, shape)
        state[name] = state_dict[name + ORIGINAL if keys else name].detach().to("cpu", copy=True)
        if keys:
            masks[name] = state_dict[name + MASK].detach().bool().cpu()
    if not masks:
        raise LotteryError("the state dict has no mask (weight_mask): prune.remove, or no pruning, left none")
    return state, masks


def _check_keys(state_dict: Mapping[str, Tensor], name: str, keys: list[str], shape: torch.Size) -> None:
    """Raises LotteryError where the tensors `keys` are not those of a pruned parameter `name` of `shape`.

    keys: of its weights and its mask, as far as they are there; none for a parameter that is not pruned.
    """
    if len(keys) == 1:
        other = name + (MASK if keys[0].endswith(ORIGINAL) else ORIGINAL)
        raise LotteryError(f"the state dict has {keys[0]} and not {other}: half of a pruned weight is missing")
    if bool(keys) == (name in state_dict):
        problem = "not in the state dict, which is of another architecture"
        raise LotteryError(f"{name} is {'pruned and unpruned at once' if keys else problem}")
    for key in keys or [name]:
        if state_dict[key].shape != shape:
            sizes = f"{key} is {tuple(state_dict[key].shape)}, not {tuple(shape)}"
            raise LotteryError(f"the state dict is of another architecture: {sizes}")
    if keys and not ((state_dict[name + MASK] == 0) | (state_dict[name + MASK] == 1)).all():
        raise LotteryError(f"{name + MASK} holds other values than 0 and 1")
