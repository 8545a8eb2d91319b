"""Files of tensors and JSON with a checksum: a changed byte is noticed when they are read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lth.core.errors import reason_of
from lth.core.files import replacing
from lth.core.reading import parse_json, regular
from lth.core.sealed_json import DamagedFileError, text_checksum
from lth.core.weights import State, digest, for_file

KEY = "lth"
"""The one key of a sealed file's metadata: safetensors writes several in a random order."""


def write_sealed(path: Path, tensors: Mapping[str, Tensor], body: Mapping[str, Any]) -> None:
    """Writes `tensors` and `body` to `path`, completely or not at all; what JSON cannot hold becomes text.

    Equal tensors and bodies give equal bytes.
    """
    tensors = for_file(tensors)
    text = json.dumps({"body": dict(body), "digest": digest(tensors)}, default=str)
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={KEY: f"{text_checksum(text)} {text}"})


def read_sealed(path: Path) -> tuple[State, dict[str, Any]]:
    """(tensors, body) that `write_sealed` wrote to `path`; DamagedFileError where the file is not what it wrote."""
    try:
        with safe_open(regular(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # a handle, not a mapping
        checksum, text = metadata[KEY].split(" ", 1) if KEY in metadata else (metadata["checksum"], metadata["sealed"])
        if checksum != text_checksum(text):
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
