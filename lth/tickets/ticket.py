"""A ticket: a mask, the whole state at the rewind point, and where they came from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from lth.core.errors import LotteryError
from lth.core.files import replacing
from lth.core.weights import Mask, State, digest, load, masked, on_cpu
from lth.pruning.mask import density

FORMAT = "lth-ticket-1"


@dataclass(frozen=True)
class Ticket:
    """Which weights are kept, and the state that every training of the ticket starts from.

    `state` is whole: the weights at pruned positions and the buffers are there too, since masking happens when the
    training starts. `rewind` is the iteration that it was taken at; `provenance` says where the ticket came from.
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

        Raises LotteryError, with the model unchanged, where names or shapes differ.
        """
        own = model.state_dict()
        for name, tensor in self.state.items():
            if name not in own or own[name].shape != tensor.shape:
                there = tuple(own[name].shape) if name in own else "nothing of that name"
                raise LotteryError(f"the ticket does not fit: {name} is {tuple(tensor.shape)}, the model has {there}")
        extra = sorted(set(own) - set(self.state))
        if extra:
            raise LotteryError(f"the ticket does not fit: the model also has {extra[0]}")
        load(model, masked(self.state, self.mask))
        return model

    def save(self, path: str | Path) -> Path:
        """Writes the ticket as one safetensors file: masks packed eight to a byte, the state, the provenance."""
        target = Path(path)
        tensors = {f"state/{name}": tensor for name, tensor in on_cpu(self.state).items()}
        for name, kept in self.mask.items():
            tensors[f"mask/{name}"] = torch.from_numpy(np.packbits(kept.cpu().numpy(), axis=None))
        metadata = {
            "format": FORMAT,
            "shapes": json.dumps({name: list(kept.shape) for name, kept in self.mask.items()}),
            "rewind": str(self.rewind),
            "density": repr(self.density),
            "digest": digest(tensors),
            "provenance": json.dumps(dict(self.provenance), default=str),
        }
        with replacing(target) as temporary:
            save_file(tensors, temporary, metadata=metadata)
        return target


def load_ticket(path: str | Path) -> Ticket:
    """The ticket that `Ticket.save` wrote to `path`; LotteryError naming the file where it is another or damaged."""
    try:
        with safe_open(Path(path), framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise LotteryError(f"{path} is not a ticket of lth")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # a handle, not a mapping
    except (SafetensorError, OSError) as error:
        raise LotteryError(f"{path} cannot be read as a ticket: {error}") from error
    if metadata["digest"] != digest(tensors):
        raise LotteryError(f"{path} is damaged: its bytes have changed since it was written")
    mask = {name: _unpacked(tensors[f"mask/{name}"], shape) for name, shape in json.loads(metadata["shapes"]).items()}
    state = {name.removeprefix("state/"): tensor for name, tensor in tensors.items() if name.startswith("state/")}
    return Ticket(mask, state, int(metadata["rewind"]), json.loads(metadata["provenance"]))


def _unpacked(bits: Tensor, shape: list[int]) -> Tensor:
    count = int(np.prod(shape))
    return torch.from_numpy(np.unpackbits(bits.numpy(), count=count).astype(bool)).reshape(shape)
