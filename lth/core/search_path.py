"""Where Python looks for modules. Imports nothing that a file of the current folder could stand in for."""

import os
import sys


def leave_current_folder() -> None:
    """Takes the folder of the started script from Python's search path: with `python -m` it is the current folder.

    Where lth itself lies there, in a checkout that is not installed, it is searched last.
    """
    if sys.flags.safe_path or not sys.path or sys.path[0] not in ("", current_folder()):
        return
    sys.path.pop(0)
    if os.path.isdir(os.path.join(current_folder(), "lth", "cli")):
        sys.path.append(current_folder())


def current_folder() -> str:
    """The current folder; empty where it is gone."""
    try:
        return os.getcwd()
    except OSError:
        return ""
