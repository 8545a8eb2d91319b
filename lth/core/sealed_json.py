"""Files of JSON with a checksum: a changed byte is noticed when they are read. Imports no torch."""

import hashlib
import json
from pathlib import Path
from typing import Any

from lth.core.errors import reason_of
from lth.core.files import write_json
from lth.core.reading import read_json


class DamagedFileError(Exception):
    """A file that is truncated or changed, or of another kind."""


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
    return text_checksum(json.dumps(body, sort_keys=True))


def text_checksum(text: str) -> str:
    """A hash of `text`, sha256."""
    return hashlib.sha256(text.encode()).hexdigest()
