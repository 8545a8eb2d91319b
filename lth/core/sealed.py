"""Tensors and a JSON body in one safetensors file with checksums: a changed byte is noticed when it is read."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lth.core.files import replacing
from lth.core.weights import State, digest, on_cpu


class DamagedFileError(Exception):
    """A file that is truncated or changed, or of another kind."""


def write_sealed(path: Path, tensors: Mapping[str, Tensor], body: Mapping[str, Any]) -> None:
    """Writes `tensors` and `body` to `path`, completely or not at all; what JSON cannot hold becomes text."""
    tensors = on_cpu(tensors)
    text = json.dumps({"body": dict(body), "digest": digest(tensors)}, default=str)
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={"sealed": text, "checksum": _checksum(text)})


def read_sealed(path: Path) -> tuple[State, dict[str, Any]]:
    """(tensors, body) that `write_sealed` wrote to `path`; DamagedFileError where the file is not what it wrote."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # a handle, not a mapping
        text = metadata["sealed"]
        if metadata["checksum"] != _checksum(text):
            raise DamagedFileError("its header has changed since it was written")
        sealed = json.loads(text)
        if sealed["digest"] != digest(tensors):
            raise DamagedFileError("its bytes have changed since it was written")
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise DamagedFileError(str(error) or type(error).__name__) from error
    return tensors, sealed["body"]


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
