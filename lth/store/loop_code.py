"""A user's loop for a fingerprint: its code and all that this reaches, its arguments, and the version that it has."""

import uuid
from typing import Any

from lth.store.reading import Reader, hashed
from lth.store.sources import helpers
from lth.training.custom_loop import CustomLoop

CUSTOM_LOOP = 1
"""Raise it when lth conducts a user's loop in another way: what the older one trained is then trained again."""


def loop_code(loop: CustomLoop) -> dict[str, Any]:
    """All that a loop computes by, as JSON; what it reads from files, or draws from a clock, is not in it.

    function: what the function is and what it has from around it; args; said: its version; helpers: the hash of each
    file of the user's that the code lies in or imports, directly or not; code: what runs and no file says. unread: what
    could not be read, with a number that never comes again, unless the loop has a version: its author answers for it
    then. It is read once for all trainings of the loop, which may change what it holds.
    """
    if not loop.code:
        loop.code.update(_read(loop))
    return loop.code


def loop_digest(loop: CustomLoop) -> str:
    """A hash of `loop_code`, 20 hexadecimal digits, the same in every process; what could not be read by its type."""
    content = dict(loop_code(loop))
    if loop_unread(content):
        content["unread"] = loop_unread(content)
    return hashed(content)


def loop_unread(content: dict[str, Any]) -> dict[str, str]:
    """Path -> type of what could not be read, and no version answers for."""
    unread = content.get("unread", {})
    return dict(unread["paths"]) if "number" in unread else {}


def _read(loop: CustomLoop) -> dict[str, Any]:
    reader = Reader({})
    content: dict[str, Any] = {
        "version": CUSTOM_LOOP,
        "function": reader.read(loop.function, loop.name),
        "args": reader.read(dict(loop.args), "args"),
    }
    sections = {
        "said": loop.version,
        "helpers": dict(sorted(helpers([*reader.code.modules]).items())),
        "code": dict(sorted(reader.code.listed.items())),
        "unread": dict(sorted(reader.unread.items())),
    }
    if reader.unread and not loop.version:
        sections["unread"] = {"paths": sections["unread"], "number": uuid.uuid4().hex}
    return content | {name: section for name, section in sections.items() if section}
