"""Another process of `lth speed`, which does what the lines on its stdin say, and answers each of them with a line."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Self

from lth.core.errors import LotteryError


class Child:
    """A process that runs `code`; it ends with its stdin, so that it never outlives the one that started it.

    name: what it is, for an error. environment: variables that it has besides those of this process.
    """

    def __init__(self, code: str, name: str, environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.kill()
        with suppress(BrokenPipeError):  # of a line that it never read
            self.process.stdin.close()
        self.process.stdout.close()  # which processes of its own may hold for some seconds yet
        self.process.wait()

    def order(self, line: str) -> None:
        """Tells it what to do, and does not wait for its answer."""
        assert self.process.stdin
        try:
            print(line, file=self.process.stdin, flush=True)
        except BrokenPipeError:
            raise self._ended() from None

    def answer(self) -> str:
        """Its answer to the oldest order that it has not answered yet."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise self._ended()
        return line.strip()

    def _ended(self) -> LotteryError:
        return LotteryError(f"{self.name} of lth speed has ended; its error is above")
