"""The examples in docstrings give what they say."""

import doctest
import importlib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules() -> list[str]:
    """The modules of lth and of its experiments that hold an example."""
    found = []
    for root, package in ((CHECKOUT / "lth", "lth"), (CHECKOUT / "experiments", "lth.experiments")):
        for path in sorted(root.rglob("*.py")):
            if ">>> " in path.read_text():
                parts = path.relative_to(root).with_suffix("").parts
                found.append(".".join((package, *parts)).removesuffix(".__init__"))
    return found


@pytest.mark.parametrize("name", modules())
def test_the_examples_hold(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write a file
    done = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert done.attempted > 0 and done.failed == 0
