"""The program's own errors: one line that says what is wrong, with which value, and what to do."""


class LotteryError(Exception):
    """A problem that its user can mend; the command line prints it as one line, without a traceback."""


class SettingError(LotteryError):
    """A setting outside its range; names the key and the value."""

    def __init__(self, key: str, value: object, problem: str) -> None:
        super().__init__(f"{key}={value}: {problem}")
        self._parts = (key, str(value), problem)

    def __reduce__(self) -> tuple[type["SettingError"], tuple[str, str, str]]:
        """How a worker process hands the error back to a sweep."""
        return SettingError, self._parts


class DataError(LotteryError):
    """Data that is missing, damaged or of the wrong shape."""
