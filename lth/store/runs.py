"""Runs on disk, one folder per training: written atomically, locked against other processes, resumed after a kill."""

import fcntl
import itertools
import json
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lth.core.bits import pack
from lth.core.files import in_memory, write_text, writing
from lth.core.machine import describe
from lth.core.sealed import DamagedFileError
from lth.core.weights import State, load, on_cpu
from lth.store.artifacts import RequestedArtifacts, same_weights
from lth.store.files import RUN, read_matching, write_run
from lth.store.fingerprint import fingerprint, fingerprint_inputs
from lth.store.probed import PROBES, forget, plain, remembered
from lth.training.checkpoint import Checkpoint
from lth.training.evaluate import evaluate
from lth.training.loop import train
from lth.training.run_result import CORRECT, RunResult
from lth.training.run_spec import Observer, Progress, RunSpec

log = logging.getLogger(__name__)

ROWS = "rows"
"""The folder in a run's folder with the rows of results.csv that came from it, one file each."""


@dataclass
class Store:
    """Trainings below `folder`, each under its fingerprint. Several processes may share a store.

    A run's folder holds `run.json` (fingerprint, result, machine), `weights.safetensors`, in `rows` the rows of results
    that experiments made of it, and in `probes` measurements of its weights; during the training also
    `checkpoint-*.safetensors`, at most `checkpoint_seconds` old.

    trained: the runs that this object has trained rather than read. measured: the runs of which it has computed a
    measurement that was not kept before.
    """

    folder: Path
    checkpoint_seconds: float = 60.0
    trained: set[str] = field(default_factory=set)
    measured: set[str] = field(default_factory=set)
    _unread: set[str] = field(default_factory=set, repr=False)

    def __post_init__(self) -> None:
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)

    def train(
        self,
        spec: RunSpec,
        observers: Sequence[Observer] = (),
        progress: Progress | None = None,
        keep_at: Collection[int] = (),
    ) -> RunResult:
        """The result of `spec`, with its weights after the iterations `keep_at`.

        It is read where it is kept together with those weights and all observations of `observers`, else trained and
        kept. A run that is trained again because one of them was missing keeps both afterwards. A network that holds
        something unreadable is always trained: its runs have names that never come again; a line says so. Raises what
        `lth.training.loop.train` raises, and LotteryError for a folder that cannot be read or written.
        """
        inputs = fingerprint_inputs(spec)
        run = fingerprint(inputs)
        self._name_unread(inputs)
        requested = RequestedArtifacts(tuple(observer.key for observer in observers), tuple(sorted(set(keep_at))))
        try:
            result = self._read(run, inputs, requested)
        except DamagedFileError:  # or another process is writing it right now: the lock decides
            result = None
        if result is None:
            with self._lock(run):
                result = self._read_or_set_aside(run, inputs, requested)  # another process may have trained it by now
                if result is None:
                    result = self._train(run, inputs, spec, observers, progress, requested)
        result.run = run
        self._add_correct(run, spec, result)
        return requested.select(result)

    def busy(self, spec: RunSpec) -> bool:
        """Whether another process is training `spec` right now."""
        path = self.path(fingerprint(fingerprint_inputs(spec))).with_suffix(".lock")
        try:
            with path.open("r") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # closing the file releases it
        except BlockingIOError:
            return True
        except FileNotFoundError:
            pass
        return False

    def _name_unread(self, inputs: Mapping[str, Any]) -> None:
        for path, kind in inputs["model"].get("unread", {}).get("paths", {}).items():
            if path not in self._unread:
                self._unread.add(path)
                log.warning("run is not answered from the store: %s (%s) cannot be read", path, kind)

    def path(self, run: str) -> Path:
        """The folder of the run named `run`."""
        return self.folder / run[:2] / run

    def keep_row(self, row: Mapping[str, Any]) -> None:
        """Keeps a row of results.csv in the folder of its run, so that reports can be made from the store alone."""
        name = "-".join((row["setting"], f"seed{row['seed']}", f"level{row['level']:02}", row["arm"], str(row["draw"])))
        path = self.path(row["run"]) / ROWS / f"{name}.json"
        columns = {name: value for name, value in row.items() if not in_memory(name)}
        text = json.dumps(columns, indent=1, sort_keys=True) + "\n"
        if not path.exists() or path.read_text(errors="replace") != text:
            write_text(path, text)

    def probed(self, run: str, key: str, compute: Callable[[], Any]) -> Any:
        """What `compute` measures of the weights of `run`, as JSON gives it back; kept with the run under `key`.

        `key` names the probe, its arguments, and any other run that it compares with. For an empty `run` the value is
        computed and not kept.
        """

        def measure() -> Any:
            self.measured.add(run)
            return compute()

        return remembered(self.path(run) / PROBES, key, measure) if run else plain(compute())

    def _add_correct(self, run: str, spec: RunSpec, result: RunResult) -> None:
        """Adds which test examples the kept states classify correctly, to a run that was kept without it."""
        states = {kind: result.states[kind] for kind in ("early_stop", "final") if kind in result.states}
        if CORRECT in result.states or not states:
            return

        def compute() -> dict[str, str]:
            return {kind: bytes(pack(_hits(spec, state)).tolist()).hex() for kind, state in states.items()}

        bits = remembered(self.path(run) / PROBES, CORRECT, compute)
        result.states[CORRECT] = {
            kind: torch.tensor(list(bytes.fromhex(text)), dtype=torch.uint8) for kind, text in bits.items()
        }

    def _train(
        self,
        run: str,
        inputs: dict[str, Any],
        spec: RunSpec,
        observers: Sequence[Observer],
        progress: Progress | None,
        requested: RequestedArtifacts,
    ) -> RunResult:
        folder = self.path(run)
        for leftover in folder.glob(".*.part"):  # of a process that was killed while writing
            leftover.unlink(missing_ok=True)
        machine = describe(spec.data.train.labels.device)
        path = folder / f"checkpoint-{requested.digest()}.safetensors"
        checkpoint = None if "unread" in inputs["model"] else Checkpoint(path, self.checkpoint_seconds, machine, run)
        result = train(spec, observers, checkpoint, progress, requested.iterations)
        result.states = {kind: on_cpu(state) for kind, state in result.states.items()}
        self.trained.add(run)
        before = self._read_or_set_aside(run, inputs, RequestedArtifacts())
        if before is not None and same_weights(before, result):  # then what was kept before is of this training too
            result.observed = before.observed | result.observed
            result.columns = before.columns | result.columns
            result.states = before.states | result.states
        else:
            forget(folder / PROBES)
        write_run(folder, inputs, result, machine)
        for leftover in folder.glob("checkpoint-*.safetensors"):
            leftover.unlink(missing_ok=True)
        return result

    def _read(self, run: str, inputs: dict[str, Any], requested: RequestedArtifacts) -> RunResult | None:
        """The kept result of `run`; None where there is none or it lacks something of `requested`.

        Raises DamagedFileError where the folder is damaged or has another fingerprint.
        """
        folder = self.path(run)
        if not (folder / RUN).exists():
            return None
        result = read_matching(folder, inputs)
        missing = requested.missing(result)
        if missing:
            log.info("run %s was kept without %s: training it again", run, missing[0])
            return None
        return result

    def _read_or_set_aside(self, run: str, inputs: dict[str, Any], requested: RequestedArtifacts) -> RunResult | None:
        """As `_read`, under the run's lock; a damaged folder is renamed to make room."""
        try:
            return self._read(run, inputs, requested)
        except DamagedFileError as error:
            self._set_aside(self.path(run), error)
            return None

    def _set_aside(self, folder: Path, error: Exception) -> None:
        names = (folder.with_name(f"{folder.name}.damaged-{number}") for number in itertools.count(1))
        aside = next(path for path in names if not path.exists())
        folder.rename(aside)
        log.warning("%s is damaged (%s): set aside as %s, training again", folder / RUN, error, aside.name)

    @contextmanager
    def _lock(self, run: str) -> Iterator[None]:
        """Holds the lock of `run` for this process; the operating system releases it when the process ends."""
        path = self.path(run).with_suffix(".lock")
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("w")
        with file:
            waited = False
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if not waited:
                        log.info("waiting for another process that is training run %s", run)
                    waited = True
                    time.sleep(0.1)
            yield


def _hits(spec: RunSpec, state: State) -> Tensor:
    """Which test examples the network of `spec` classifies correctly with the weights `state`."""
    load(spec.model, state)
    return evaluate(spec.model.to(spec.data.test.labels.device), spec.data.test).hits
