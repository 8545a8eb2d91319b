"""An unfinished training as one file, from which it resumes with the same bits."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lth.core.sealed import DamagedFileError, read_sealed, write_sealed
from lth.core.weights import State, flat, from_flat

log = logging.getLogger(__name__)


@dataclass
class Snapshot:
    """What the loop needs to resume after `iteration`: states by name, the optimiser's tensors, and the records."""

    iteration: int
    states: dict[str, State]
    optimizer: dict[str, Tensor]
    records: dict[str, Any]


@dataclass
class Checkpoint:
    """The checkpoint file of the training `run`, written at most every `seconds`.

    It holds `machine` and `run`. On another machine, torch version, device or thread count the bits would differ, so
    the training starts again there; so it does for a checkpoint of another run.
    """

    path: Path
    seconds: float
    machine: Mapping[str, str | int]
    run: str = ""
    _last: float = field(default_factory=time.monotonic)

    def due(self) -> bool:
        """Whether `seconds` have passed since the last write."""
        return time.monotonic() - self._last >= self.seconds

    def write(self, snapshot: Snapshot) -> None:
        """Writes `snapshot`, which replaces the previous one."""
        tensors = {f"optimizer/{name}": tensor for name, tensor in snapshot.optimizer.items()}
        for kind, state in snapshot.states.items():
            tensors |= {f"state/{kind}/{name}": tensor for name, tensor in flat(state).items()}
        body = {
            "iteration": snapshot.iteration,
            "records": snapshot.records,
            "machine": dict(self.machine),
            "run": self.run,
        }
        write_sealed(self.path, tensors, body)
        self._last = time.monotonic()

    def read(self) -> Snapshot | None:
        """The snapshot; None where there is none, or it is damaged, of another machine or of another run."""
        if not self.path.exists():
            return None
        try:
            tensors, body = read_sealed(self.path)
        except DamagedFileError as error:
            log.warning("%s is damaged (%s): the training starts again", self.path, error)
            return None
        if body["machine"] != dict(self.machine):
            log.warning("%s comes from another machine or torch version: the training starts again", self.path)
            return None
        if body["run"] != self.run:
            log.warning("%s belongs to another training: this one starts again", self.path)
            return None
        snapshot = Snapshot(body["iteration"], {}, {}, body["records"])
        for name, tensor in tensors.items():
            kind, _, rest = name.partition("/")
            if kind == "optimizer":
                snapshot.optimizer[rest] = tensor
            else:
                which, _, rest = rest.partition("/")
                snapshot.states.setdefault(which, {})[rest] = tensor
        snapshot.states = {which: from_flat(state) for which, state in snapshot.states.items()}
        return snapshot


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of `optimizer` as a flat dict of tensors, "<parameter number>/<key>"."""
    return {
        f"{number}/{key}": value
        for number, entries in optimizer.state_dict()["state"].items()
        for key, value in entries.items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restores the state that `optimizer_tensors` gave in a new optimiser of the same parameters."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, _, key = name.partition("/")
        state.setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
