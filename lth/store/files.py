"""The files of one run: `run.json` (fingerprint, result, machine) and `weights.safetensors`, both with a checksum."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from lth.core.errors import LotteryError
from lth.core.files import replacing, write_json
from lth.core.sealed import DamagedFileError
from lth.core.weights import State, flat, from_flat
from lth.training.run_result import CORRECT, RunResult, result_from

RUN = "run.json"
WEIGHTS = "weights.safetensors"


def write_run(folder: Path, inputs: Mapping[str, Any], result: RunResult, machine: Mapping[str, Any]) -> None:
    """Writes `result`, whose weights are on the CPU, of the fingerprint `inputs`; `run.json` last: it ends the run."""
    weights = {f"{kind}/{key}": tensor for kind, state in result.states.items() for key, tensor in flat(state).items()}
    with replacing(folder / WEIGHTS) as temporary:
        save_file(weights, temporary)
        checksum = _file_digest(temporary)
    body = {"question": inputs, "trace": result.records(), "weights": checksum, "machine": machine}
    write_json(folder / RUN, {"checksum": _digest(body), "body": body})


def read_matching(folder: Path, inputs: Mapping[str, Any]) -> RunResult:
    """The result in `folder`, weights too; DamagedFileError where it is damaged or has another fingerprint."""
    try:
        body = _read_body(folder)
        if body["question"] != inputs:
            raise DamagedFileError("it is the run of another fingerprint")
        return _with_weights(folder, body)
    except (FileNotFoundError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise DamagedFileError(str(error)) from error
    except OSError as error:
        raise LotteryError(f"cannot read {error.filename}: {error.strerror or error}") from error


def read_result(folder: Path) -> RunResult:
    """The result in the run's `folder` without its weights; LotteryError naming the file where it is damaged."""
    try:
        return result_from(_read_body(folder)["trace"], {})
    except (DamagedFileError, OSError, ValueError, KeyError, TypeError) as error:
        raise LotteryError(f"cannot read {folder / RUN}: {error}") from error


def read_correct_bits(folder: Path) -> dict[str, bytes]:
    """Which test examples the kept states of the run in `folder` classify correctly, as packed bits; {} if unknown."""
    try:
        with safe_open(folder / WEIGHTS, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(f"{CORRECT}/")]  # noqa: SIM118  # a handle
            return {name.removeprefix(f"{CORRECT}/"): file.get_tensor(name).numpy().tobytes() for name in names}
    except (SafetensorError, OSError):
        return {}


def read_run(folder: Path) -> RunResult:
    """The result in the run's `folder`, weights too; LotteryError naming it where it is missing or damaged."""
    try:
        return _with_weights(folder, _read_body(folder))
    except (DamagedFileError, OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise LotteryError(f"cannot read the run {folder}: {error}") from error


def _read_body(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / RUN).read_text())
    body: dict[str, Any] = content["body"]
    if content["checksum"] != _digest(body):
        raise DamagedFileError("its contents do not match their checksum")
    return body


def _with_weights(folder: Path, body: Mapping[str, Any]) -> RunResult:
    path = folder / WEIGHTS
    if _file_digest(path) != body["weights"]:
        raise DamagedFileError(f"{path.name} does not match its checksum")
    states: dict[str, State] = {}
    for key, tensor in load_file(path).items():
        kind, _, name = key.partition("/")
        states.setdefault(kind, {})[name] = tensor
    result = result_from(body["trace"], {kind: from_flat(state) for kind, state in states.items()})
    result.machine = body["machine"]
    return result


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
