"""The errors that lth raises: one line that says what is wrong, with which value, and what to do about it."""

from lth.core.shown import brief, shown

LONGEST = 200
"""The characters that an error shows of a value."""


class LotteryError(Exception):
    r"""A problem that the user can solve; the command line prints it as one line, without a traceback.

    What it quotes may come from a file of anyone's: control characters and line breaks are shown as escapes. Each
    further argument is a line of its own.

    >>> print(LotteryError("a\nb.csv: has no column c"))
    a\nb.csv: has no column c
    """

    def __str__(self) -> str:
        return "\n".join(map(shown, self.args))


class SettingError(LotteryError):
    """A setting with a value that it cannot have.

    >>> raise SettingError("recipe.lr", -1, "must be above 0")
    Traceback (most recent call last):
    lth.core.errors.SettingError: recipe.lr=-1: must be above 0
    """

    def __init__(self, key: str, value: object, problem: str) -> None:
        self._parts = (key, brief(value, LONGEST), problem)
        super().__init__("{}={}: {}".format(*self._parts))

    def __reduce__(self) -> tuple[type["SettingError"], tuple[str, str, str]]:
        """For pickle: a worker process passes the error back to a sweep."""
        return SettingError, self._parts


class DataError(LotteryError):
    """Data that is missing, damaged or of the wrong shape."""


def first_line(error: BaseException) -> str:
    """The first line of what `error` says; its type where it has no text.

    >>> first_line(RuntimeError("no kernel\\nCompile with ...")), first_line(KeyError())
    ('no kernel', 'KeyError')
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def reason_of(error: BaseException) -> str:
    """What `error` says, in one line of at most 300 characters: its type where it has no text; no file's name.

    >>> reason_of(ValueError("shapes differ:\\n(2, 3)")), reason_of(KeyError())
    ('shapes differ: (2, 3)', 'KeyError')
    """
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = " ".join(said.split())
    return (text if len(text) <= 300 else f"{text[:297]}...") or type(error).__name__
