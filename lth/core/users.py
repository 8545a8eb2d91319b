"""Code that users bring: whatever it raises becomes one line that names it, with the error itself as its cause."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lth.core.code import is_library_file
from lth.core.errors import LotteryError, reason_of


@contextmanager
def users_code(what: str, error: type[LotteryError] = LotteryError) -> Iterator[None]:
    """Within, what a user's code raises becomes an `error` of one line: `what` raised it, why, and in which line.

    LotteryErrors pass. An exit counts as an error: it would end the jobs of a whole sweep.

    >>> with users_code("data._target_=my_data.load"):
    ...     {}["images"]
    Traceback (most recent call last):
    lth.core.errors.LotteryError: data._target_=my_data.load raised KeyError: 'images'
    """
    try:
        yield
    except LotteryError:
        raise
    except (Exception, SystemExit) as raised:
        raise error(users_line(what, raised)) from raised


def users_line(what: str, error: BaseException) -> str:
    """The line that says that `what`, some code of the user's, raised `error`, why, and where."""
    return f"{what} raised {type(error).__name__}: {reason_of(error)}{_line(error)}"


def _line(error: BaseException) -> str:
    """Where in the user's own files `error` was raised, as " (my_data.py, line 3)"; empty where that is not known."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_library(frame.filename)]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _is_library(file: str) -> bool:
    return file.startswith("<") or is_library_file(file)
