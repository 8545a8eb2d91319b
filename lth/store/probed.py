"""What was found out about a run's kept weights, a file a probe: computed once, and again where the file is damaged."""

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lth.core.files import write_json

log = logging.getLogger(__name__)

PROBES = "probes"
"""The folder of a run with its probes' results."""


def remembered(folder: Path, key: str, compute: Callable[[], Any]) -> Any:
    """The value that `folder` keeps under `key`, else what `compute` gives, which it then keeps.

    The file holds key and value with a checksum; what cannot be read, or belongs to another key, is computed again.
    """
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:20]}.json"
    try:
        content = json.loads(path.read_bytes())
        if content["checksum"] == _checksum(content["body"]) and content["body"]["key"] == key:
            return content["body"]["value"]
        log.warning("%s is damaged: computed again", path)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s is damaged (%s): computed again", path, error)
    body = {"key": key, "value": plain(compute())}
    write_json(path, {"checksum": _checksum(body), "body": body})
    return body["value"]


def forget(folder: Path) -> None:
    """Takes all values out of `folder`: they were found out about other weights."""
    for path in folder.glob("*.json"):
        path.unlink(missing_ok=True)


def plain(value: Any) -> Any:
    """`value` as JSON gives it back, so that the first answer is that of all later ones; TypeError where it cannot."""
    return json.loads(json.dumps(value))


def _checksum(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
