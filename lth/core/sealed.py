"""Files with a checksum, of JSON or of tensors and JSON: a changed byte is noticed when they are read."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lth.core.errors import reason_of
from lth.core.files import replacing, write_json
from lth.core.reading import parse_json, read_json, regular
from lth.core.weights import State, digest, for_file

KEY = "lth"
"""The one key of a sealed file's metadata: safetensors writes several in a random order."""


class DamagedFileError(Exception):
    """A file that is truncated or changed, or of another kind."""


def write_sealed(path: Path, tensors: Mapping[str, Tensor], body: Mapping[str, Any]) -> None:
    """Writes `tensors` and `body` to `path`, completely or not at all; what JSON cannot hold becomes text.

    Equal tensors and bodies give equal bytes.
    """
    tensors = for_file(tensors)
    text = json.dumps({"body": dict(body), "digest": digest(tensors)}, default=str)
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={KEY: f"{_checksum(text)} {text}"})


def read_sealed(path: Path) -> tuple[State, dict[str, Any]]:
    """(tensors, body) that `write_sealed` wrote to `path`; DamagedFileError where the file is not what it wrote."""
    try:
        with safe_open(regular(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # a handle, not a mapping
        checksum, text = metadata[KEY].split(" ", 1) if KEY in metadata else (metadata["checksum"], metadata["sealed"])
        if checksum != _checksum(text):
            raise DamagedFileError("its header has changed since it was written")
        sealed = parse_json(text)
        if sealed["digest"] != digest(tensors):
            raise DamagedFileError("its bytes have changed since it was written")
        body = sealed["body"]
    except KeyError as error:
        raise DamagedFileError(f"it has no {error}") from error
    except (SafetensorError, OSError, ValueError, TypeError, RuntimeError) as error:
        raise DamagedFileError(reason_of(error)) from error
    if not isinstance(body, dict):
        raise DamagedFileError("its header is of another kind")
    return tensors, body


def write_sealed_json(path: Path, body: Any, lasting: bool = True, folder: Path | None = None) -> None:
    """Writes `body` to `path` as JSON with a checksum; lasting, folder: as in `lth.core.files.replacing`."""
    write_json(path, {"checksum": checksum(body), "body": body}, lasting, folder)


def read_sealed_json(path: Path) -> dict[str, Any]:
    """The body that `write_sealed_json` wrote to `path`.

    Raises DamagedFileError where the file is not what it wrote, OSError where it cannot be read.
    """
    try:
        return unsealed(read_json(path))
    except ValueError as error:
        raise DamagedFileError(reason_of(error)) from error


def unsealed(content: Any) -> dict[str, Any]:
    """The body in the content of a file of JSON with a checksum; DamagedFileError where the two do not agree."""
    body = content.get("body") if isinstance(content, dict) else None
    if not isinstance(body, dict) or "checksum" not in content:
        raise DamagedFileError("it holds something else")
    try:
        if content["checksum"] != checksum(body):
            raise DamagedFileError("its contents do not match their checksum")
    except RecursionError as error:
        raise DamagedFileError("it is nested too deeply") from error
    return body


def checksum(body: Any) -> str:
    """A hash of a body of JSON, sha256."""
    return _checksum(json.dumps(body, sort_keys=True))


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
