"""A job shows what is logged: libraries that draw log nothing on a normal run."""

import os
import subprocess
import sys
from pathlib import Path

FIRST_FIGURE = """\
import logging
logging.basicConfig(level=logging.INFO)
import lth.report.figures.axes
import matplotlib.font_manager
"""


def test_the_first_figure_on_a_machine_says_nothing_of_fonts(tmp_path: Path) -> None:
    """matplotlib builds a cache of the fonts at its first import, and logs that."""
    environment = os.environ | {"MPLCONFIGDIR": str(tmp_path / "new")}
    done = subprocess.run([sys.executable, "-c", FIRST_FIGURE], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert any((tmp_path / "new").glob("fontlist*"))
