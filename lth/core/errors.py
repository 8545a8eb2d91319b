"""The errors that lth raises: one line that says what is wrong, with which value, and what to do about it."""


class LotteryError(Exception):
    """A problem that the user can solve; the command line prints it as one line, without a traceback."""


class SettingError(LotteryError):
    """A setting with a value that it cannot have.

    >>> raise SettingError("recipe.lr", -1, "must be above 0")
    Traceback (most recent call last):
    lth.core.errors.SettingError: recipe.lr=-1: must be above 0
    """

    def __init__(self, key: str, value: object, problem: str) -> None:
        super().__init__(f"{key}={value}: {problem}")
        self._parts = (key, str(value), problem)

    def __reduce__(self) -> tuple[type["SettingError"], tuple[str, str, str]]:
        """For pickle: a worker process passes the error back to a sweep."""
        return SettingError, self._parts


class DataError(LotteryError):
    """Data that is missing, damaged or of the wrong shape."""
