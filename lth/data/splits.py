"""What is known of the splits that a prepared file gives, kept beside it: their digest takes longer than to make them.

A digest is remembered by all that the splits depend on: the content of the file, how it is split and normalised, the
code that does so, and the machine, since another version of torch may round otherwise.
"""

import hashlib
import logging
from functools import cache
from pathlib import Path
from typing import Any

import torch

from lth.core.errors import LotteryError
from lth.core.machine import describe
from lth.core.reading import read_bytes
from lth.core.sealed_json import DamagedFileError, checksum, read_sealed_json, write_sealed_json
from lth.data import arrays, checks, preparation, tensors
from lth.data.tensors import Data

log = logging.getLogger(__name__)

SPLITS = ".splits"
"""What the file with the digests of splits is called after the prepared file."""
MOST = 100
"""So many digests are kept at most, the latest."""


def remember_digest(data: Data, path: Path, keep: bool = True, **how: Any) -> None:
    """Gives `data`, made from the prepared file `path`, its digest: the one that is kept, else the one that it has.

    how: the settings of `lth.data.preparation.prepare` that it was made with. keep: whether a digest that is not there
    yet is written. A file that cannot be read or written costs the time alone.
    """
    place = path.with_name(path.name + SPLITS)
    known, key = _read(place), _key(data, how)
    if (digest := known.get(key)) is not None:
        data.__dict__["digest"] = digest
    elif keep:
        entries = list((known | {key: data.digest}).items())
        try:
            write_sealed_json(place, dict(entries[-MOST:]), lasting=False)
        except LotteryError as error:  # a folder that others keep
            log.debug("the digest of the splits of %s was not kept: %s", path, error)


def _key(data: Data, how: dict[str, Any]) -> str:
    machine = describe(torch.device("cpu"))
    return checksum({"content": data.content, "how": how, "code": _code(), "machine": machine})


@cache
def _code() -> str:
    """A hash of the code that makes splits."""
    sources = [read_bytes(str(module.__file__)) for module in (arrays, checks, preparation, tensors)]
    return hashlib.sha256(b"".join(sources)).hexdigest()


def _read(place: Path) -> dict[str, str]:
    """The digests by key; none where the file is missing or damaged."""
    try:
        kept = read_sealed_json(place)
    except FileNotFoundError:
        return {}
    except (DamagedFileError, OSError) as error:
        log.debug("%s cannot be read: %s", place, error)
        return {}
    return {key: digest for key, digest in kept.items() if isinstance(digest, str)}
