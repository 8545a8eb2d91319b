"""Measurements of a run's kept weights, one file each: computed once, and again where the file is damaged."""

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lth.core.files import write_json

log = logging.getLogger(__name__)

PROBES = "probes"
"""The folder in a run's folder that holds them."""


def remembered(folder: Path, key: str, compute: Callable[[], Any]) -> Any:
    """The value that `folder` keeps under `key`, else what `compute` returns, which it then keeps.

    The file holds key and value with a checksum; where it cannot be read or has another key, the value is computed
    again. Raises TypeError for a value that JSON cannot hold.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [remembered(Path(folder), "barrier", compute) for compute in (lambda: (0.1, 0.2), lambda: None)]
    [[0.1, 0.2], [0.1, 0.2]]
    """
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:20]}.json"
    try:
        content = json.loads(path.read_bytes())
        if content["checksum"] == _checksum(content["body"]) and content["body"]["key"] == key:
            return content["body"]["value"]
        log.warning("%s is damaged: computing it again", path)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s is damaged (%s): computing it again", path, error)
    body = {"key": key, "value": plain(compute())}
    write_json(path, {"checksum": _checksum(body), "body": body})
    return body["value"]


def forget(folder: Path) -> None:
    """Deletes all values in `folder`: they were measured on other weights."""
    for path in folder.glob("*.json"):
        path.unlink(missing_ok=True)


def plain(value: Any) -> Any:
    """`value` as JSON gives it back, so that the first result equals all later ones; TypeError where JSON cannot.

    >>> plain({"losses": (0.5, 1.0)})
    {'losses': [0.5, 1.0]}
    """
    return json.loads(json.dumps(value))


def _checksum(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
