"""Writes the findings again: `python docs/findings`, or of some references, `python docs/findings frankle2021`."""

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

from findings.pages import REFERENCE, contents  # noqa: E402  (the folder of this package is not always on the path)

for name in sys.argv[1:] or sorted(path.parent.name for path in REFERENCE.glob("*/README.md")):
    for path, text in contents(name).items():
        if path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"{path.relative_to(DOCS.parent)} has changed")
