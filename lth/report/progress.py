"""Progress on the terminal: bars with time left, and log lines around them."""

import logging
import sys
from collections.abc import Callable
from copy import copy
from typing import Any

from tqdm import tqdm

from lth.core.shown import shown

STEP = 100
"""A training that is first heard of further than this from its start has been resumed."""


class Console(logging.StreamHandler):  # type: ignore[type-arg]  # logging's stub is generic, the class is not
    """Log lines on stderr, written around the progress bars."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one line above the bars; warnings say so."""
        try:
            if record.name.partition(".")[0] == "lth":  # its messages are one line; those of others may be more
                record = copy(record)
                record.msg, record.args = shown(record.getMessage()), ()
            text = shown(self.format(record), keep="\n\t")
            prefix = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
            tqdm.write(prefix + text, file=sys.stderr)
        except Exception:  # logging must not end a job
            self.handleError(record)


class Progress:
    """Two bars with time left, trainings and the iterations of the present one; silent where there is no terminal.

    `row`: one of several jobs on one terminal has one bar, in that row.
    """

    def __init__(self, total: int, title: str, unit: str = "training", row: int | None = None) -> None:
        self.alone = row is None
        look = {"leave": True, "position": None} if row is None else {"leave": False, "position": row}
        self.outer = tqdm(total=total, desc=shown(title), unit=unit, disable=None, dynamic_ncols=True, **look)
        self.inner: tqdm[Any] | None = None

    def expect(self, total: int, unit: str = "training") -> None:
        """Sets how many trainings, or other units, are to come in all."""
        self.outer.total, self.outer.unit = total, unit
        self.outer.refresh()

    def training(self, start: int, stop: int | None) -> Callable[[int], None]:
        """What to call with each iteration of a training from `start` to `stop`, which need not be known."""
        return self._part(start, stop, "iterations", "it")

    def measuring(self, what: str, count: int) -> Callable[[int], None]:
        """What to call with the number of steps done, of `count`, of measuring `what`; quick ones show no bar."""
        self.outer.set_postfix_str(shown(what), refresh=False)
        return self._part(0, count, what, "step", delay=0.5)

    def _part(self, start: int, stop: int | None, what: str, unit: str, delay: float = 0.0) -> Callable[[int], None]:
        self._close_inner()

        def update(iteration: int) -> None:
            if not self.alone:
                return
            if self.inner is None:
                self.inner = tqdm(
                    total=stop,
                    initial=iteration if iteration - start > STEP else start,
                    desc=shown(what),
                    unit=unit,
                    delay=delay,
                    leave=False,
                    disable=None,
                    dynamic_ncols=True,
                )
            self.inner.update(iteration - self.inner.n)

        return update

    def done(self, what: str, count: int | None = None) -> None:
        """One more training is over; `what` it was. count: how many are over at least, where that is known."""
        self._close_inner()
        self.outer.set_postfix_str(shown(what), refresh=False)
        self.outer.update(1 if count is None else max(0, count - self.outer.n))

    def close(self) -> None:
        """Takes the bars away, the inner one first."""
        self._close_inner()
        self.outer.close()

    def _close_inner(self) -> None:
        if self.inner is not None:
            self.inner.close()
            self.inner = None
