"""What the tests of W&B share: W&B's own reader for what was written."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Records = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="session")
def runs() -> Callable[[Path], list[Path]]:
    """The files of every W&B run below an outputs folder, by time."""
    return lambda outputs: sorted(outputs.glob("wandb/*run-*/*.wandb"))


@pytest.fixture(scope="session")
def inspect() -> Callable[..., str]:
    """What W&B's own reader says about the file of a run."""

    def read(path: Path, *words: str) -> str:
        command = [sys.executable, "-m", "wandb", "leet", "inspect", *words, "--json", str(path)]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    return read


@pytest.fixture(scope="session")
def records(inspect: Callable[..., str]) -> Callable[[Path], Records]:
    """The records of a run by their type."""

    def read(path: Path) -> Records:
        found: Records = {}
        for line in inspect(path).splitlines():
            record = json.loads(line)
            found.setdefault(record["type"], []).append(record[record["type"]])
        return found

    return read


@pytest.fixture(scope="session")
def history() -> Callable[[Records, str], list[dict[str, Any]]]:
    """The logged rows that carry a key, in order."""
    return lambda found, key: [record["item"] for record in found["history"] if key in record["item"]]


@pytest.fixture(autouse=True)
def cheap_figures(unrendered: None) -> None:
    """Figures are rendered only in tests marked `rendered`."""
