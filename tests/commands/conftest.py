"""What the tests of commands share: a command that runs in this process."""

import sys

import pytest

from lth.cli import main


@pytest.fixture
def in_process(monkeypatch, tmp_path, capsys):
    """`in_process(command, columns)(*words)` runs `lth command words` in the test's folder, on a terminal that wide.

    It gives what was printed, and the exit status or error; None: none.
    """

    def command(name, columns):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", str(columns))

        def run(*words):
            monkeypatch.setattr(sys, "argv", ["lth", name, *map(str, words)])
            try:
                main()
            except SystemExit as end:
                return capsys.readouterr().out, end.code
            return capsys.readouterr().out, None

        return run

    return command
