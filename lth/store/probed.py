"""Measurements of a run's kept weights, one file each: computed once, and again where the file is damaged."""

import hashlib
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from lth.core.errors import LotteryError, reason_of
from lth.core.files import is_forbidden, writing
from lth.core.reading import parse_json
from lth.core.sealed_json import DamagedFileError, read_sealed_json, write_sealed_json
from lth.core.weights import digest
from lth.training.records import CORRECT
from lth.training.run_result import RunResult, on_request

log = logging.getLogger(__name__)


def measured_weights(result: RunResult) -> str:
    """A hash of the weights that probes measure: those that every training of the fingerprint keeps.

    Where they agree, so do those that are kept on request.
    """
    kinds = [kind for kind in sorted(result.states) if not on_request(kind) and kind != CORRECT]
    return hashlib.sha256("".join(f"{kind}:{digest(result.states[kind])};" for kind in kinds).encode()).hexdigest()[:20]


def remembered(folder: Path, key: str, compute: Callable[[], Any], weights: str = "", root: Path | None = None) -> Any:
    """The value that `folder` keeps under `key` for `weights`, else what `compute` returns, which it then keeps.

    weights: a hash of what is measured; measurements of other weights are never taken. Those without one, as in older
    stores, are taken for any: `forget` them when the weights change. The file holds key and value with a checksum;
    where it cannot be read or has another key, the value is computed again. Where the folder may not be written, a line
    says so. root: no link below it is followed out of it. Raises TypeError for a value that JSON cannot hold.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [remembered(Path(folder), "barrier", compute) for compute in (lambda: (0.1, 0.2), lambda: None)]
    [[0.1, 0.2], [0.1, 0.2]]
    """
    path = probe_file(folder, key, weights)
    for place, by in {path: weights, probe_file(folder, key, ""): ""}.items():
        try:
            body = read_sealed_json(place)
            if body["key"] == key and body.get("weights", "") == by:
                return body["value"]
            log.warning("%s is of something else: computing it again", place)
        except FileNotFoundError:
            pass
        except (OSError, DamagedFileError, KeyError) as error:
            log.warning("%s is damaged (%s): computing it again", place, reason_of(error))
    body = {"key": key, "value": plain(compute())} | ({"weights": weights} if weights else {})
    try:
        write_sealed_json(path, body, lasting=False, folder=root)
    except LotteryError as error:
        if not is_forbidden(error):
            raise
        log.warning("a measurement is used, but not kept: %s", error)
    return body["value"]


def probe_file(folder: Path, key: str, weights: str) -> Path:
    """Where the value lies that is kept under `key` for `weights`."""
    text = f"{weights}\n{key}" if weights else key
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:20]}.json"


def forget(folder: Path) -> None:
    """Deletes all values in `folder`: they were measured on other weights."""
    for path in folder.glob("*.json"):
        with writing(path), suppress(IsADirectoryError):
            path.unlink(missing_ok=True)


def plain(value: Any) -> Any:
    """`value` as JSON gives it back, so that the first result equals all later ones; TypeError where JSON cannot.

    >>> plain({"losses": (0.5, 1.0)})
    {'losses': [0.5, 1.0]}
    """
    return parse_json(json.dumps(value))
