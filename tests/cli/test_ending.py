"""A command that has done its work ends without freeing what it imported, and loses nothing."""

import os
import subprocess
import sys

import pytest

CODE = """
import atexit, os, sys, threading, time
from lth.cli.ending import end_quickly

class Never:
    def __del__(self):
        print("freed")

never = Never()
never.itself = never  # so that the interpreter frees it at its end, or never
atexit.register(print, "second")
kept = open(sys.argv[1], "w")
kept.write("all of it")
threading.Thread(target=lambda: (time.sleep(0.3), print("first"))).start()
end_quickly()
"""


def ended(code: str, place: str, **streams: int) -> subprocess.CompletedProcess:
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    buffered = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    return subprocess.run([sys.executable, "-c", code, place], text=True, check=False, env=buffered, **given)


@pytest.mark.parametrize("last", ["", "import gc; gc.freeze()\n"], ids=["", "what exists is frozen"])
def test_threads_exit_functions_and_open_files_are_as_at_any_end(tmp_path, last):
    done = ended(CODE.replace("end_quickly()", f"{last}end_quickly()"), str(tmp_path / "file"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "first\nsecond\n", "")
    assert (tmp_path / "file").read_text() == "all of it"


@pytest.mark.parametrize(
    ("code", "status", "printed"),
    [
        (f"{CODE}\nif os.fork() == 0: sys.exit(3)\nprint(os.waitstatus_to_exitcode(os.wait()[1]))", 0, "3\n"),
        (CODE.replace("end_quickly()", "del atexit._run_exitfuncs\nend_quickly()"), 0, "freed\n"),
        (f"{CODE}\natexit.register(print, 'later')", 0, "later\nsecond\nfreed\n"),
    ],
    ids=["a fork ends as it does", "an interpreter without what it takes", "another exit function came later"],
)
def test_where_it_does_not_apply_the_end_is_pythons(tmp_path, code, status, printed):
    done = ended(code, str(tmp_path / "file"))
    assert done.returncode == status and printed in done.stdout, done.stderr


def test_what_cannot_be_written_is_a_failure(tmp_path):
    with open("/dev/full", "w") as full:
        assert ended(CODE, str(tmp_path / "file"), stdout=full.fileno()).returncode == 120
