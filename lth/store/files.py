"""The files of one run: `run.json` (fingerprint, result, machine) and the weights that it names, with checksums.

`run.json` is replaced in one rename, and that alone makes a new result visible: its weights lie beside those of the
old one before, under a name of their own.
"""

import errno
import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from lth.core.errors import LotteryError, reason_of
from lth.core.files import replacing
from lth.core.reading import opened, regular
from lth.core.sealed_json import DamagedFileError, read_sealed_json, write_sealed_json
from lth.core.weights import State, flat, from_flat
from lth.store.layout import OLD_WEIGHTS, RUN_FILE, WEIGHTS, weights_name
from lth.training.records import CORRECT
from lth.training.run_result import IMPOSSIBLE, RunResult, result_from

_BROKEN = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EINVAL, errno.ENXIO)
"""Errors of the file system that say that there is something else in place of a file, or nothing."""
_DIGEST = re.compile(r"[0-9a-f]{1,64}")


def write_run(
    folder: Path, inputs: Mapping[str, Any], result: RunResult, machine: Mapping[str, Any], root: Path | None = None
) -> None:
    """Writes `result`, whose weights are on the CPU, of the fingerprint `inputs`; weights that it replaces go.

    root: no link below it is followed out of it.
    """
    weights = {f"{kind}/{key}": tensor for kind, state in result.states.items() for key, tensor in flat(state).items()}
    digest = ""

    def name(path: Path) -> str:
        nonlocal digest
        digest = file_digest(path)
        return weights_name(digest)

    with replacing(folder / OLD_WEIGHTS, lasting=False, named=name, folder=root) as temporary:
        save_file(weights, temporary)
    body = {"question": inputs, "trace": result.records(), "weights": digest, "machine": machine}
    write_sealed_json(folder / RUN_FILE, body, folder=root)
    for path in other_weights(folder, digest):
        with suppress(OSError):
            path.unlink()


def other_weights(folder: Path, digest: str) -> list[Path]:
    """The files with weights in a run's folder that are not those of the hash `digest`, which are there."""
    names = [path for path in folder.iterdir() if WEIGHTS.fullmatch(path.name)]
    used = weights_name(digest) if (folder / weights_name(digest)).exists() else OLD_WEIGHTS
    return [path for path in names if path.name != used]


def replaced_weights(folder: Path) -> list[Path]:
    """The files with weights that a process left which was killed as it replaced a result; none of a damaged run."""
    with suppress(OSError, DamagedFileError):
        return other_weights(folder, _body(folder)["weights"])
    return []


def read_matching(folder: Path, inputs: Mapping[str, Any]) -> RunResult:
    """The result in `folder`, weights too.

    Raises DamagedFileError where it is damaged or has another fingerprint, LotteryError where it cannot be read.
    """
    try:
        body, states = _consistent(folder)
        if body["question"] != inputs:
            raise DamagedFileError("it is the run of another fingerprint")
        return _result(body, states)
    except OSError as error:
        if error.errno in _BROKEN:
            raise DamagedFileError(reason_of(error)) from error
        raise LotteryError(f"cannot read {error.filename or folder}: {reason_of(error)}") from error


def read_result(folder: Path) -> RunResult:
    """The result in the run's `folder` without its weights; LotteryError naming the file where it is damaged."""
    try:
        return _result(_body(folder), {})
    except (DamagedFileError, OSError) as error:
        raise LotteryError(f"cannot read {folder / RUN_FILE}: {reason_of(error)}") from error


def read_correct_bits(folder: Path) -> dict[str, bytes]:
    """Which test examples the kept states of the run in `folder` classify correctly, as packed bits; {} if unknown."""
    with (
        suppress(SafetensorError, OSError, DamagedFileError),
        safe_open(regular(_weights(folder)), framework="pt") as file,
    ):
        names = [name for name in file.keys() if name.startswith(f"{CORRECT}/")]  # noqa: SIM118  # a handle
        return {name.removeprefix(f"{CORRECT}/"): file.get_tensor(name).numpy().tobytes() for name in names}
    return {}


def read_run(folder: Path) -> RunResult:
    """The result in the run's `folder`, weights too; LotteryError naming it where it is missing or damaged."""
    return read_whole(folder)[1]


def read_whole(folder: Path) -> tuple[dict[str, Any], RunResult]:
    """(fingerprint's inputs, result) of the run in `folder`; LotteryError naming it where it is missing or damaged."""
    try:
        body, states = _consistent(folder)
        return body["question"], _result(body, states)
    except (DamagedFileError, OSError) as error:
        raise LotteryError(f"cannot read the run {folder}: {reason_of(error)}") from error


def file_digest(path: Path) -> str:
    """A hash of the content of a regular file (blake2b, 128 bits, hexadecimal)."""
    with opened(path) as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]


def _body(folder: Path) -> dict[str, Any]:
    body = read_sealed_json(folder / RUN_FILE)
    kinds = {"question": dict, "trace": dict, "weights": str, "machine": dict}
    for key, kind in kinds.items():
        if not isinstance(body.get(key), kind):
            raise DamagedFileError(f"it has no {key}")
    if not _DIGEST.fullmatch(body["weights"]):
        raise DamagedFileError("it names no weights")
    return body


def _weights(folder: Path, body: Mapping[str, Any] | None = None) -> Path:
    """The file with the weights that `run.json` names."""
    path = folder / weights_name((body or _body(folder))["weights"])
    return regular(path if path.exists() else folder / OLD_WEIGHTS)


def _consistent(folder: Path) -> tuple[dict[str, Any], dict[str, State]]:
    """(body of `run.json`, states by kind): of one training, even while another process is replacing it."""
    body = _body(folder)
    while True:
        try:
            return body, _states(folder, body)
        except (FileNotFoundError, DamagedFileError):
            before, body = body, _body(folder)
            if body["weights"] == before["weights"]:
                raise


def _states(folder: Path, body: Mapping[str, Any]) -> dict[str, State]:
    path = _weights(folder, body)
    if file_digest(path) != body["weights"]:
        raise DamagedFileError(f"{path.name} does not match its checksum")
    states: dict[str, State] = {}
    try:
        for key, tensor in load_file(regular(path)).items():
            kind, _, name = key.partition("/")
            states.setdefault(kind, {})[name] = tensor
    except SafetensorError as error:
        raise DamagedFileError(f"{path.name}: {reason_of(error)}") from error
    return {kind: from_flat(state) for kind, state in states.items()}


def _result(body: Mapping[str, Any], states: dict[str, State]) -> RunResult:
    try:
        result = result_from(body["trace"], states)
        if states and result.status == "done":
            result.final  # noqa: B018  # KeyError where it is not there
    except IMPOSSIBLE as error:
        raise DamagedFileError(f"its contents are impossible: {reason_of(error)}") from error
    result.machine = body["machine"]
    return result
