"""An unfinished training as one file, from which it resumes with the same bits."""

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from lth.core.errors import reason_of
from lth.core.sealed import read_sealed, write_sealed
from lth.core.sealed_json import DamagedFileError
from lth.core.weights import State, flat, from_flat
from lth.training.records import check_finite, check_states
from lth.training.run_result import result_from
from lth.training.run_spec import RunSpec

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
        if not os.path.lexists(self.path):
            return None
        try:
            tensors, body = read_sealed(self.path)
        except DamagedFileError as error:
            log.warning("%s is damaged (%s): the training starts again", self.path, error)
            return None
        if body.get("machine") != dict(self.machine):
            log.warning("%s comes from another machine or torch version: the training starts again", self.path)
            return None
        if body.get("run") != self.run:
            log.warning("%s belongs to another training: this one starts again", self.path)
            return None
        snapshot = Snapshot(body.get("iteration", -1), {}, {}, body.get("records", {}))
        for name, tensor in tensors.items():
            kind, _, rest = name.partition("/")
            if kind == "optimizer":
                snapshot.optimizer[rest] = tensor
            else:
                which, _, rest = rest.partition("/")
                snapshot.states.setdefault(which, {})[rest] = tensor
        snapshot.states = {which: from_flat(state) for which, state in snapshot.states.items()}
        return snapshot

    def refuse(self, error: Exception) -> None:
        """Says that the snapshot is not one of this training."""
        log.warning("%s does not fit (%s): the training starts again", self.path, reason_of(error))


def check_snapshot(snapshot: Snapshot, spec: RunSpec) -> None:
    """Raises one of `lth.training.run_result.IMPOSSIBLE` where a snapshot is not one that training `spec` leaves.

    The optimiser's tensors are checked where they are restored.
    """
    plan, records, states = spec.plan, dict(snapshot.records), dict(snapshot.states)
    number, batches = snapshot.iteration, records.pop("batches")
    if type(number) is not int or not plan.start <= number < plan.stop:
        raise ValueError(f"iteration {number} is none of the training")
    if type(batches) is not int or not 0 <= batches <= number - plan.start:
        raise ValueError(f"{batches} batches since the last evaluation cannot be")
    result = result_from(records, {})
    iterations = [point.iteration for point in result.points]
    iterations += [iteration for observations in result.observed.values() for iteration, _ in observations]
    if (result.start, result.stop, result.status) != (plan.start, plan.stop, "done") or max(iterations) > number:
        raise ValueError("it is of another training")
    if states.pop("sums")["loss"].shape != ():
        raise ValueError("the loss is no number")
    if spec.update:
        states["present_mask"] = states.pop("mask")
    check_finite("model", states["model"], spec.model)
    check_states(states, spec.model, spec.mask)
