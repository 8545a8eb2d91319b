"""State dicts and masks as plain data: copying, masking, loading, hashing."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from lth.core.side_state import load_side_state

State = dict[str, Tensor]
"""Parameter and buffer name -> tensor: what `nn.Module.state_dict()` returns."""

BESIDE = "beside/"
"""How the names of tensors in files begin that hold what a network keeps beside its state dict."""

Mask = dict[str, Tensor]
"""Prunable parameter name -> bool tensor of its shape; True is kept."""


class FullState(dict[str, Tensor]):
    """A state dict that also knows, in `beside`, what its network kept beside it where a training had changed that.

    Its names are those of any state dict. `lth.core.side_state` says what `beside` holds.
    """

    def __init__(self, tensors: Mapping[str, Tensor], beside: Mapping[str, Tensor]) -> None:
        super().__init__(tensors)
        self.beside = dict(beside)


def beside(state: Mapping[str, Tensor]) -> State:
    """What `state` knows of its network beside the state dict; nothing for most."""
    return state.beside if isinstance(state, FullState) else {}


def with_beside(tensors: State, beside: Mapping[str, Tensor]) -> State:
    """`tensors`, with what a network keeps `beside` them where there is any."""
    return FullState(tensors, beside) if beside else tensors


def flat(state: Mapping[str, Tensor]) -> State:
    """Every tensor of `state` by its name in a file, what is beside it too."""
    return dict(state) | {f"{BESIDE}{name}": tensor for name, tensor in beside(state).items()}


def from_flat(tensors: Mapping[str, Tensor]) -> State:
    """The state that `flat` gave the tensors of."""
    further = {name.removeprefix(BESIDE): x for name, x in tensors.items() if name.startswith(BESIDE)}
    return with_beside({name: x for name, x in tensors.items() if not name.startswith(BESIDE)}, further)


def norm(state: Mapping[str, Tensor], mask: Mask, p: int) -> float:
    """The L1 (`p` = 1) or L2 norm of the weights that `mask` keeps, over all of its tensors.

    >>> norm({"weight": torch.tensor([3.0, 4.0, 9.0])}, {"weight": torch.tensor([True, True, False])}, 2)
    5.0
    """
    powers = ((state[name].double() * kept.to(state[name].device)).abs().pow(p).sum() for name, kept in mask.items())
    return float(sum(float(power) for power in powers) ** (1 / p))


def mapped(state: Mapping[str, Tensor], change: Callable[[Tensor], Tensor]) -> State:
    """`state` with `change` of each tensor, of those beside it too."""
    tensors = {name: change(tensor) for name, tensor in state.items()}
    return with_beside(tensors, {name: change(tensor) for name, tensor in beside(state).items()})


def clone(state: Mapping[str, Tensor]) -> State:
    """A copy of `state` that shares no memory with it and has no gradient graph."""
    return mapped(state, lambda tensor: tensor.detach().clone())


def on_cpu(state: Mapping[str, Tensor]) -> State:
    """A contiguous copy of `state` on the CPU."""
    return mapped(state, lambda tensor: tensor.detach().to("cpu", copy=True).contiguous())


def for_file(state: Mapping[str, Tensor]) -> State:
    """`state` as a file can hold it: on the CPU, contiguous, no two tensors in one memory; copied only where it is not.

    So it may share its memory with `state`.
    """
    memories = set()

    def change(tensor: Tensor) -> Tensor:
        tensor = tensor.detach().cpu().contiguous()
        memory = tensor.untyped_storage().data_ptr()
        tensor = tensor.clone() if memory in memories else tensor
        memories.add(memory)
        return tensor

    return mapped(state, change)


def is_finite(tensor: Tensor) -> bool:
    """Whether `tensor` holds no NaN and nothing infinite; takes no memory of its size, other than `isfinite`."""
    if not tensor.numel() or not tensor.is_floating_point():
        return True
    return all(bool(end.isfinite()) for end in tensor.detach().aminmax())


def masked(state: Mapping[str, Tensor], mask: Mapping[str, Tensor]) -> State:
    """A copy of `state` with its pruned weights at zero.

    >>> masked({"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([True, False])})
    {'w': tensor([1., 0.])}
    """
    tensors = {
        name: torch.where(mask[name].to(tensor.device), tensor, 0) if name in mask else tensor.clone()
        for name, tensor in ((name, tensor.detach()) for name, tensor in state.items())
    }
    return with_beside(tensors, beside(state))


def shared_names(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Further name of a tensor in `state` -> its first name, by which masks and `named_parameters` go.

    state: the `state_dict()` of a model, or another whose tensors share their memory; copies of them do not.

    >>> model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    >>> model[1].weight = model[0].weight
    >>> shared_names(model.state_dict())
    {'1.weight': '0.weight'}
    """
    first: dict[tuple[Any, ...], str] = {}
    shared = {}
    for name, tensor in state.items():
        if tensor.numel() and tensor.data_ptr():
            place = (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
            if first.setdefault(place, name) != name:
                shared[name] = first[place]
    return shared


def under_all_names(tensors: Mapping[str, Tensor], shared: Mapping[str, str]) -> dict[str, Tensor]:
    """`tensors` by first name, and by the further names of `shared` too."""
    return {**tensors, **{name: tensors[first] for name, first in shared.items() if first in tensors}}


def digest(tensors: Mapping[str, Tensor]) -> str:
    """A hash of names, dtypes, shapes and every byte (blake2b, 128 bits, hexadecimal)."""
    tensors = flat(tensors)
    total = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        if tensor.numel():  # an empty tensor has no bytes, and no one-dimensional byte view
            total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def load(model: nn.Module, state: Mapping[str, Tensor], mask: Mapping[str, Tensor] | None = None) -> None:
    """Copies `state` into `model` in place, pruned weights as zeros; and what is beside it, else as at the start.

    Raises RuntimeError where names or shapes differ, as `load_state_dict` does.
    """
    model.load_state_dict(dict(state))
    load_side_state(model, beside(state))
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for name, kept in (mask or {}).items():
        parameters[name].detach().masked_fill_(~kept.to(parameters[name].device), 0)


@contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """Restores the training or evaluation mode of every module of `model` afterwards."""
    modes = {module: module.training for module in model.modules()}
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
