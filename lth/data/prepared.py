"""Prepared files: a data set's four tensors in one safetensors file, and beside it the digest that they are known by.

A file without a digest is taken as it is, and its digest written at its first use. From then on a changed byte is seen.
"""

import logging
import re
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from lth.core.errors import DataError, LotteryError, reason_of
from lth.core.files import replacing, write_text
from lth.core.reading import read_text, regular
from lth.data.checks import NAMES
from lth.data.raw import RawData

log = logging.getLogger(__name__)

SUFFIX = ".safetensors"
DIGEST = ".digest"
"""What the file with the digest of a prepared file is called after that."""


def prepared_file(root: Path, name: str) -> Path:
    """Where the prepared data set `name` lies in the folder `root`, whether it is there or not."""
    return root / f"{name}{SUFFIX}"


def read_prepared(path: Path, keep: bool = True) -> RawData:
    """The four tensors of the prepared file `path`.

    keep: whether a digest that is not there yet is written. Raises DataError naming the file where it cannot be read,
    lacks a tensor, or has changed since its digest was written.
    """
    try:
        tensors = load_file(regular(path))
    except (SafetensorError, OSError, RuntimeError, ValueError, KeyError) as error:
        raise DataError(f"{path} cannot be read ({reason_of(error)}); delete it, and it is made again") from error
    missing = [key for key in NAMES if key not in tensors]
    if missing:
        raise DataError(f"{path} has no {missing[0]}; a prepared file holds {', '.join(NAMES)}")
    data = RawData({key: tensors[key] for key in NAMES})
    digest = _digest_file(path)
    known = _known_digest(digest)
    if known and known != data.digest:
        mend = (
            f"if it is damaged, delete both and it is made again; if you replaced it on purpose, delete {digest.name}"
        )
        raise DataError(f"{path} is damaged or was replaced: its content has not the digest in {digest.name}; {mend}")
    if not known and keep:
        _write_digest(path, data)
    data.file = path
    return data


def write_prepared(path: Path, data: RawData) -> None:
    """Writes the prepared file `path` and its digest, each completely or not at all; LotteryError where it cannot."""
    with replacing(path) as temporary:
        _digest_file(path).unlink(missing_ok=True)  # of an earlier file, should writing end between the two
        save_file({key: tensor.contiguous() for key, tensor in data.items()}, temporary)
    _write_digest(path, data)


def _digest_file(path: Path) -> Path:
    return path.with_name(path.name + DIGEST)


def _known_digest(digest: Path) -> str:
    """The digest that the file `digest` holds; empty where there is none."""
    try:
        text = read_text(digest).strip()
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise DataError(f"{digest} cannot be read ({reason_of(error)}); delete it, and it is written again") from error
    if not re.fullmatch("[0-9a-f]{32}", text):
        raise DataError(f"{digest} holds no digest; delete it, and it is written again")
    return text


def _write_digest(path: Path, data: RawData) -> None:
    try:
        write_text(_digest_file(path), f"{data.digest}\n")
    except LotteryError as error:  # a folder that others keep: it is read all the same
        log.debug("the digest of %s was not kept: %s", path, error)
