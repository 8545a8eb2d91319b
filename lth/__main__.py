"""`python -m lth`: the same as the console script `lth`."""

from lth.core.search_path import leave_current_folder

leave_current_folder()  # before anything of another package is imported

from lth.cli import script  # noqa: E402

script()
