"""The page of commands: the help texts of `lth`, of its commands and of its experiments, as they are printed."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from lth import cli
from lth.discovery import sources

INTRO = """\
# Commands

`lth` runs experiments and works with their results. A help text is what the command prints with `--help`.
"""


def page() -> str:
    """The page, in Markdown."""
    experiments = [name for name, source in sources().items() if not source.outside]
    words = [[], *([name] for name in dict.fromkeys([*cli.COMMANDS, *experiments]))]
    with ThreadPoolExecutor(2) as pool:
        texts = pool.map(helped, words)
    parts = [INTRO]
    for command, text in zip(words, texts, strict=True):
        parts.append(f"## {' '.join(['lth', *command])}\n\n```text\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def helped(words: list[str]) -> str:
    """What `lth WORDS --help` prints, 100 columns wide."""
    code = "import sys; from lth.cli import main; sys.argv[0] = 'lth'; main()"
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    shown = subprocess.run(
        [sys.executable, "-c", code, *words, "--help"], capture_output=True, text=True, check=True, env=environment
    )
    return shown.stdout.strip()
