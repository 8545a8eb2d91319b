"""Runs on disk: a folder a training, written whole, locked against a second process, resumed after a kill."""

import fcntl
import hashlib
import itertools
import json
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from lth.core.errors import LotteryError
from lth.core.files import replacing, write_json, write_text, writing
from lth.core.machine import describe
from lth.core.sealed import DamagedFileError
from lth.core.weights import State, on_cpu
from lth.store.artifacts import RequestedArtifacts, same_way
from lth.store.fingerprint import hash_of, question
from lth.store.probed import PROBES, forget, plain, remembered
from lth.training.checkpoint import Checkpoint
from lth.training.loop import train
from lth.training.run_result import RunResult, result_from
from lth.training.run_spec import Observer, Progress, RunSpec

log = logging.getLogger(__name__)

ROWS = "rows"
"""The folder of a run with the rows of results that it answers, a file each: not in the question, only beside it."""


@dataclass
class Store:
    """Trainings kept under the hash of their question, below `folder`. Several processes may share it.

    A run's folder holds `run.json` (question, result, machine; checksummed), `weights.safetensors`, in `rows` what
    experiments asked it for, and in `probes` what was found out about its weights; while it is being trained,
    `checkpoint.safetensors`, at most `checkpoint_seconds` old.
    """

    folder: Path
    checkpoint_seconds: float = 60.0
    trained: set[str] = field(default_factory=set)  # the hashes that this object has trained, not found
    looked: set[str] = field(default_factory=set)  # the runs of which it has found out something that was not kept

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

        Found where it is kept with those and with all that `observers` saw, else trained and kept. A run that is
        trained again for want of one holds both afterwards.
        """
        asked = question(spec)
        name = hash_of(asked)
        wanted = RequestedArtifacts(tuple(observer.key for observer in observers), tuple(sorted(set(keep_at))))
        try:
            result = self._find(name, asked, wanted)
        except DamagedFileError:  # or being written at this moment: that is judged under the lock
            result = None
        if result is None:
            with self._lock(name):
                result = self._find_or_set_aside(name, asked, wanted)  # another process may have trained it meanwhile
                if result is None:
                    result = self._train(name, asked, spec, observers, progress, wanted)
        result.run = name
        return wanted.of(result)

    def busy(self, spec: RunSpec) -> bool:
        """Whether another process is training `spec` at this moment."""
        path = self.path(hash_of(question(spec))).with_suffix(".lock")
        try:
            with path.open("r") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # let go of as the file is closed
        except BlockingIOError:
            return True
        except FileNotFoundError:
            pass
        return False

    def path(self, name: str) -> Path:
        """The folder of the run `name`."""
        return self.folder / name[:2] / name

    def keep_row(self, row: Mapping[str, Any]) -> None:
        """Keeps a row of results beside the run that it names: who asked for it, so that the store alone tells all."""
        asked = (row["setting"], f"seed{row['seed']}", f"level{row['level']:02}", row["arm"], str(row["draw"]))
        path = self.path(row["run"]) / ROWS / f"{'-'.join(asked)}.json"
        text = json.dumps(row, indent=1, sort_keys=True) + "\n"
        if not path.exists() or path.read_text(errors="replace") != text:
            write_text(path, text)

    def probed(self, run: str, key: str, compute: Callable[[], Any]) -> Any:
        """What `compute` finds out about the weights of `run`, as JSON gives it back; kept with the run under `key`.

        `key` names the probe, its arguments, and any other run that it looks at. A run without a name is kept nowhere:
        then it is computed.
        """

        def anew() -> Any:
            self.looked.add(run)
            return compute()

        return remembered(self.path(run) / PROBES, key, anew) if run else plain(compute())

    def _train(
        self,
        name: str,
        asked: dict[str, Any],
        spec: RunSpec,
        observers: Sequence[Observer],
        progress: Progress | None,
        wanted: RequestedArtifacts,
    ) -> RunResult:
        folder = self.path(name)
        for leftover in folder.glob(".*.part"):  # of a process that was killed while it wrote
            leftover.unlink(missing_ok=True)
        machine = describe(spec.data.train.labels.device)
        path = folder / f"checkpoint-{wanted.digest()}.safetensors"
        checkpoint = Checkpoint(path, self.checkpoint_seconds, machine, name)
        result = train(spec, observers, checkpoint, progress, wanted.iterations)
        result.states = {kind: on_cpu(state) for kind, state in result.states.items()}
        self.trained.add(name)
        before = self._find_or_set_aside(name, asked, RequestedArtifacts())
        if before is not None and same_way(before, result):  # what was seen and kept before was so in this training
            result.observed = before.observed | result.observed
            result.states = before.states | result.states
        else:
            forget(folder / PROBES)
        weights = {f"{kind}/{key}": tensor for kind, state in result.states.items() for key, tensor in state.items()}
        with replacing(folder / "weights.safetensors") as temporary:
            save_file(weights, temporary)
            checksum = _file_digest(temporary)
        body = {"question": asked, "trace": result.records(), "weights": checksum, "machine": machine}
        write_json(folder / "run.json", {"checksum": _digest(body), "body": body})  # last: it says that all is there
        for leftover in folder.glob("checkpoint-*.safetensors"):
            leftover.unlink(missing_ok=True)
        return result

    def _find(self, name: str, asked: dict[str, Any], wanted: RequestedArtifacts) -> RunResult | None:
        """The kept result of `name`, or None where there is none or it lacks something of `wanted`.

        Raises DamagedFileError where what is there is damaged or answers another question.
        """
        folder = self.path(name)
        if not (folder / "run.json").exists():
            return None
        result = _read(folder, asked)
        missing = wanted.missing(result)
        if missing:
            log.info("run %s was kept without %s: it is trained again to see it", name, missing[0])
            return None
        return result

    def _find_or_set_aside(self, name: str, asked: dict[str, Any], wanted: RequestedArtifacts) -> RunResult | None:
        """As `_find`, under the run's lock; a damaged folder makes room."""
        try:
            return self._find(name, asked, wanted)
        except DamagedFileError as error:
            self._set_aside(self.path(name), error)
            return None

    def _set_aside(self, folder: Path, error: Exception) -> None:
        places = (folder.with_name(f"{folder.name}.damaged-{number}") for number in itertools.count(1))
        aside = next(path for path in places if not path.exists())
        folder.rename(aside)
        log.warning("%s is damaged (%s): set aside as %s, trained again", folder / "run.json", error, aside.name)

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        """Holds the run `name` for this process; the operating system lets go of it when the process ends."""
        path = self.path(name).with_suffix(".lock")
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
                        log.info("waiting for another process that is training run %s", name)
                    waited = True
                    time.sleep(0.1)
            yield


def read_result(folder: Path) -> RunResult:
    """What is kept in the run's `folder`, without its weights; LotteryError naming the file where it is damaged."""
    try:
        return result_from(_read_body(folder)["trace"], {})
    except (DamagedFileError, OSError, ValueError, KeyError, TypeError) as error:
        raise LotteryError(f"cannot read {folder / 'run.json'}: {error}") from error


def read_run(folder: Path) -> RunResult:
    """What is kept in the run's `folder`, weights too; LotteryError naming it where there is none or it is damaged."""
    try:
        return _with_weights(folder, _read_body(folder))
    except (DamagedFileError, OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise LotteryError(f"cannot read the run {folder}: {error}") from error


def _read_body(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / "run.json").read_text())
    body: dict[str, Any] = content["body"]
    if content["checksum"] != _digest(body):
        raise DamagedFileError("its contents do not have the checksum they were written with")
    return body


def _read(folder: Path, asked: dict[str, Any]) -> RunResult:
    """The result in `folder`; DamagedFileError where the bytes have changed or it answers another question."""
    try:
        body = _read_body(folder)
        if body["question"] != asked:
            raise DamagedFileError("it answers another question")
        return _with_weights(folder, body)
    except (FileNotFoundError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise DamagedFileError(str(error)) from error
    except OSError as error:
        raise LotteryError(f"cannot read {error.filename}: {error.strerror or error}") from error


def _with_weights(folder: Path, body: dict[str, Any]) -> RunResult:
    weights = folder / "weights.safetensors"
    if _file_digest(weights) != body["weights"]:
        raise DamagedFileError(f"{weights.name} does not have the checksum it was written with")
    states: dict[str, State] = {}
    for key, tensor in load_file(weights).items():
        kind, _, name = key.partition("/")
        states.setdefault(kind, {})[name] = tensor
    return result_from(body["trace"], states)


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
