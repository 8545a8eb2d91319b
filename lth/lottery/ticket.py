"""A ticket: a mask, the full state at the rewind point, and their provenance."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import NoneType
from typing import Any

import torch
from torch import Tensor, nn

from lth.core.bits import pack, unpack
from lth.core.errors import LotteryError, reason_of
from lth.core.sealed import read_sealed, write_sealed
from lth.core.sealed_json import DamagedFileError
from lth.core.weights import Mask, State, beside, digest, flat, from_flat, load, shared_names, with_beside
from lth.core.wrappers import bare, with_names_of
from lth.pruning.mask import density

FORMAT = "lth-ticket-1"
PROVENANCE = {"run": str, "setting": str, "level": int, "seed": int, "model": dict, "data": dict}
"""What lth itself reads of a ticket's provenance, where it is there, and of which type it is."""
LARGEST = 2**53
"""The largest iteration."""


@dataclass(frozen=True)
class Ticket:
    """Which weights are kept, and the state that every training of the ticket starts from.

    mask: bool, by parameter name, of the parameter's shape. state: every parameter and buffer; weights at pruned
    positions are there, too, and become zero when the ticket is applied or its training starts. It also knows what the
    network keeps beside them, such as a counter of steps, where that is not as at initialisation. rewind: the iteration
    of the state. provenance: where the ticket came from, as JSON can hold it.

    >>> ticket = Ticket({"weight": torch.tensor([[True, False]])}, {"weight": torch.ones(1, 2), "bias": torch.zeros(1)})
    >>> ticket.density, ticket.apply(nn.Linear(2, 1)).weight.tolist()
    (0.5, [[1.0, 0.0]])
    """

    mask: Mask
    state: State
    rewind: int = 0
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def density(self) -> float:
        """Kept / prunable weights, 0..1."""
        return density(self.mask)

    def apply(self, model: nn.Module) -> nn.Module:
        """`model`, with the ticket's weights in it and its pruned weights at zero.

        Raises LotteryError, with the model unchanged, where names or shapes differ, and where a tensor that has several
        names in the model is not the same under all of them. It makes no difference whether the model is inside of
        `torch.compile` or DataParallel, or was when the ticket was made.
        """
        network = bare(model)
        self.named_as(network)._load_into(network)
        return model

    def named_as(self, model: nn.Module) -> "Ticket":
        """This ticket by the names of the tensors of `model`, where only prefixes of wrappers are in the way."""
        names = model.state_dict().keys()
        state = with_beside(with_names_of(self.state, names), beside(self.state))
        return replace(self, mask=with_names_of(self.mask, names), state=state)

    def _load_into(self, model: nn.Module) -> None:
        tensors = model.state_dict()
        for name, tensor in self.state.items():
            if name not in tensors or tensors[name].shape != tensor.shape:
                shape = tuple(tensors[name].shape) if name in tensors else "nothing of that name"
                raise LotteryError(f"the ticket does not fit: {name} is {tuple(tensor.shape)}, the model has {shape}")
        for name, kept in self.mask.items():
            if name not in self.state or self.state[name].shape != kept.shape:
                raise LotteryError(
                    f"the ticket does not fit: its mask of {name} is {tuple(kept.shape)}, its weights not"
                )
        extra = sorted(set(tensors) - set(self.state))
        if extra:
            raise LotteryError(f"the ticket does not fit: the model also has {extra[0]}")
        check_shared(self.state, self.mask, shared_names(tensors))
        load(model, self.state, self.mask)

    def save(self, path: str | Path) -> Path:
        """Writes the ticket as one safetensors file: masks packed eight to a byte, the state, the provenance.

        Of tensors with the same values, as a shared weight has under all of its names, the file holds the first.
        """
        same = _same(self.state)
        tensors = {f"state/{name}": tensor for name, tensor in flat(self.state).items() if name not in same}
        for name, kept in self.mask.items():
            tensors[f"mask/{name}"] = pack(kept)
        body = {
            "format": FORMAT,
            "shapes": [[name, list(kept.shape)] for name, kept in self.mask.items()],
            "rewind": self.rewind,
            "density": self.density,
            "provenance": dict(self.provenance),
        }
        if same:
            body["same"] = same
        write_sealed(Path(path), tensors, body)
        return Path(path)


def load_ticket(path: str | Path) -> Ticket:
    """The ticket that `Ticket.save` wrote to `path`.

    Raises LotteryError naming the file if it is damaged, no ticket, or holds what no ticket can, whatever its checksum.
    """
    try:
        tensors, body = read_sealed(Path(path))
        if body.get("format") != FORMAT:
            raise LotteryError(f"{path} is not a ticket of lth")
        return _ticket(tensors, body)
    except DamagedFileError as error:
        raise LotteryError(f"{path} cannot be read as a ticket: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise LotteryError(
            f"{path} cannot be read as a ticket: its contents are impossible: {reason_of(error)}"
        ) from error


def _ticket(tensors: State, body: dict[str, Any]) -> Ticket:
    """The ticket in the contents of a file; ValueError, KeyError, TypeError or AttributeError for impossible ones."""
    state = {name.removeprefix("state/"): tensor for name, tensor in tensors.items() if name.startswith("state/")}
    same = body.get("same", {})
    if same.keys() & state.keys():
        raise ValueError(f"{min(same.keys() & state.keys())} is there twice")
    state |= {name: state[first] for name, first in same.items()}
    mask = {name: _mask(tensors[f"mask/{name}"], state[name], name, shape) for name, shape in body["shapes"]}
    if further := tensors.keys() - {f"state/{name}" for name in state} - {f"mask/{name}" for name in mask}:
        raise ValueError(f"{min(further)} belongs to nothing")
    for name, tensor in state.items():
        if tensor.is_floating_point() and bool(tensor.isnan().any()):
            raise ValueError(f"{name} holds NaN")
    if not any(kept.numel() for kept in mask.values()) or not math.isclose(body["density"], density(mask)):
        raise ValueError(f"a density of {body['density']} is not that of its mask")
    rewind, provenance = body["rewind"], body["provenance"]
    if type(rewind) is not int or not 0 <= rewind <= LARGEST:
        raise ValueError(f"rewind: {str(rewind)[:40]} is no iteration")
    for key, kind in PROVENANCE.items():
        if not isinstance(provenance.get(key), (kind, NoneType)) or isinstance(provenance.get(key), bool):
            raise ValueError(f"provenance: {key} is {str(provenance[key])[:40]}")
    return Ticket(mask, from_flat(state), rewind, provenance)


def _mask(bits: Tensor, weights: Tensor, name: str, shape: Sequence[int]) -> Tensor:
    """The mask of `weights` that is packed in `bits`; ValueError where they do not belong together."""
    if tuple(shape) != tuple(weights.shape) or not weights.is_floating_point():
        raise ValueError(f"the mask of {name} is {tuple(shape)}, its weights are {tuple(weights.shape)}")
    if bits.dtype != torch.uint8 or bits.shape != (math.ceil(weights.numel() / 8),):
        raise ValueError(f"the mask of {name} is not {weights.numel()} bits")
    if bool(weights.isinf().any()):
        raise ValueError(f"{name} is infinite")
    return unpack(bits, shape)


def check_shared(state: Mapping[str, Tensor], mask: Mapping[str, Tensor], shared: Mapping[str, str]) -> None:
    """Raises LotteryError where a tensor has other values, or another mask, under one of its names than under another.

    shared: further name -> first name, as `shared_names` gives them.
    """
    for name, first in shared.items():
        if not torch.equal(state[name], state[first]):
            raise LotteryError(f"{name} and {first} are one tensor in the model, and have different values here")
        if name in mask and first in mask and not torch.equal(mask[name], mask[first]):
            raise LotteryError(f"{name} and {first} are one tensor in the model, and are pruned differently here")


def _same(state: Mapping[str, Tensor]) -> dict[str, str]:
    """Name -> the first name of a tensor with the same values; of those with two dimensions or more."""
    first: dict[str, str] = {}
    same = {}
    for name, tensor in state.items():
        if tensor.ndim > 1 and (earlier := first.setdefault(digest({"": tensor}), name)) != name:
            same[name] = earlier
    return same
