"""Runs on disk, one folder per training: written atomically, locked against other processes, resumed after a kill."""

import itertools
import logging
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lth.core.errors import LotteryError
from lth.core.files import clear_leftovers, is_forbidden, make_folder, writing
from lth.core.machine import describe
from lth.core.sealed_json import DamagedFileError
from lth.core.weights import for_file
from lth.store import rows
from lth.store.artifacts import RequestedArtifacts, check_fits, same_weights
from lth.store.correct import add_correct
from lth.store.files import read_matching, read_run, write_run
from lth.store.fingerprint import fingerprint, fingerprint_inputs, unread
from lth.store.layout import ASIDE, CHECKPOINTS, PROBES, RUN_FILE, lock_file, run_folder
from lth.store.locks import is_held, locked
from lth.store.probed import forget, measured_weights, plain, remembered
from lth.training.checkpoint import Checkpoint
from lth.training.loop import train
from lth.training.run_result import RunResult
from lth.training.run_spec import Observer, Progress, RunSpec

log = logging.getLogger(__name__)

_RUN_NAME = re.compile(r"\b[0-9a-f]{20}\b")
"""The name of a run in the key of a measurement."""


@dataclass
class Store:
    """Trainings below `folder`, each under its fingerprint. Several processes may share a store.

    `lth.store.layout` says what lies where. A checkpoint is at most `checkpoint_seconds` old; for a training that
    another process is doing this one waits `lock_seconds` (None: as long as it takes).

    trained: the runs that this object has trained rather than read. measured: the runs of which it has computed a
    measurement that was not kept before.
    """

    folder: Path
    checkpoint_seconds: float = 60.0
    lock_seconds: float | None = None
    trained: set[str] = field(default_factory=set)
    measured: set[str] = field(default_factory=set)
    _unread: set[str] = field(default_factory=set, repr=False)
    _weights: dict[str, str] = field(default_factory=dict, repr=False)
    _read_only: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        with writing(self.folder):
            make_folder(self.folder)

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
        self._name_unread(unread(inputs), spec.loop is not None)
        requested = RequestedArtifacts(tuple(observer.key for observer in observers), tuple(sorted(set(keep_at))))
        try:
            result = self._read(run, spec, inputs, requested)
        except DamagedFileError:  # or another process is writing it right now: the lock decides
            result = None
        if result is None:
            with self._locked(run):  # another process may have trained it by now
                result = self._read_or_set_aside(run, spec, inputs, requested)
                if result is None:
                    result = self._train(run, inputs, spec, observers, progress, requested)
        result.run = run
        self._weights[run] = measured_weights(result)
        if spec.loop is None:
            add_correct(result, spec, self.path(run) / PROBES, self._weights[run], self.folder)
        return requested.select(result)

    def busy(self, spec: RunSpec) -> bool:
        """Whether another process is training `spec` right now."""
        return is_held(lock_file(self.folder, fingerprint(fingerprint_inputs(spec))))

    def _name_unread(self, paths: Mapping[str, str], by_loop: bool) -> None:
        hint = "; a version of the loop would answer for it" if by_loop else ""
        for path, kind in paths.items():
            if path not in self._unread:
                self._unread.add(path)
                log.warning("run is not answered from the store: %s (%s) cannot be read%s", path, kind, hint)

    def path(self, run: str) -> Path:
        """The folder of the run named `run`."""
        return run_folder(self.folder, run)

    def keep_row(self, row: Mapping[str, Any]) -> bool:
        """Keeps a row of results.csv, so that reports can be made from the store alone; whether it is a new one.

        Where the user may not write into the store, a line says so, once.
        """
        try:
            return rows.keep_row(self.folder, row)
        except LotteryError as error:
            if not is_forbidden(error):
                raise
            if not self._read_only:
                log.warning("rows of results are not kept in the store: %s", error)
            self._read_only = True
            return False

    def probed(self, run: str, key: str, compute: Callable[[], Any]) -> Any:
        """What `compute` measures of the weights of `run`, as JSON gives it back; kept with the run under `key`.

        `key` names the probe, its arguments, and any other run that it compares with. For a `run` that is not kept the
        value is computed and not kept.
        """

        def measure() -> Any:
            self.measured.add(run)
            return compute()

        weights = self._weights_of(run) if run else ""
        if not weights:
            return plain(compute())
        others = [self._weights_of(other) for other in _RUN_NAME.findall(key) if other != run]
        measured = " ".join([weights, *filter(None, others)])
        return remembered(self.path(run) / PROBES, key, measure, measured, self.folder)

    def _weights_of(self, run: str) -> str:
        """A hash of the weights of `run`, as this process has them; empty where it is not kept, or damaged."""
        if run not in self._weights:
            with suppress(LotteryError):
                self._weights[run] = measured_weights(read_run(self.path(run)))
        return self._weights.get(run, "")

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
        with writing(folder):  # better now than after the training
            make_folder(folder, folder=self.folder)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(None, "Permission denied")
        clear_leftovers(folder)
        machine = describe(spec.data.train.device)
        path = folder / f"checkpoint-{requested.digest()}.safetensors"
        checkpoint = None if unread(inputs) else Checkpoint(path, self.checkpoint_seconds, machine, run)
        before = self._read_or_set_aside(run, spec, inputs, RequestedArtifacts())
        kernels = before.kernels if before else None  # so that the bits of what is kept come again
        result = train(spec, observers, checkpoint, progress, requested.iterations, kernels)
        result.states = {kind: for_file(state) for kind, state in result.states.items()}
        self.trained.add(run)
        if before is not None and same_weights(before, result):  # then what was kept before is of this training too
            result.observed = before.observed | result.observed
            result.columns = before.columns | result.columns
            result.states = before.states | result.states
        else:
            forget(folder / PROBES)
        write_run(folder, inputs, result, machine, self.folder)
        for leftover in folder.glob(CHECKPOINTS):
            with suppress(OSError):  # the run is kept: `lth store` names what stays
                leftover.unlink()
        return result

    def _read(self, run: str, spec: RunSpec, inputs: dict[str, Any], requested: RequestedArtifacts) -> RunResult | None:
        """The kept result of `run`; None where there is none or it lacks something of `requested`.

        Raises DamagedFileError where the folder is damaged, has another fingerprint, or what `spec` cannot give.
        """
        folder = self.path(run)
        try:
            os.lstat(folder / RUN_FILE)
        except FileNotFoundError:
            return None
        except NotADirectoryError:
            raise DamagedFileError("its folder is a file") from None
        except OSError as error:
            raise LotteryError(f"cannot read {folder}: {error.strerror}") from error
        result = read_matching(folder, inputs)
        check_fits(result, spec)
        missing = requested.missing(result)
        if missing:
            log.info("run %s was kept without %s: training it again", run, missing[0])
            return None
        return result

    def _read_or_set_aside(
        self, run: str, spec: RunSpec, inputs: dict[str, Any], requested: RequestedArtifacts
    ) -> RunResult | None:
        """As `_read`, under the run's lock; a damaged folder is renamed to make room."""
        try:
            return self._read(run, spec, inputs, requested)
        except DamagedFileError as error:
            self._set_aside(self.path(run), error)
            return None

    def _set_aside(self, folder: Path, error: Exception) -> None:
        names = (folder.with_name(f"{folder.name}{ASIDE}{number}") for number in itertools.count(1))
        aside = next(path for path in names if not os.path.lexists(path))
        rows.rescue_rows(self.folder, folder)
        with writing(folder):
            folder.rename(aside)
        log.warning("%s is damaged (%s): set aside as %s, training again", folder / RUN_FILE, error, aside.name)

    def _locked(self, run: str) -> AbstractContextManager[None]:
        """Holds the lock of `run` for this process."""
        return locked(lock_file(self.folder, run), f"run {run}", self.folder, self.lock_seconds)
