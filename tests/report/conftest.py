"""What the tests of reports share: trained arms, a recorder without W&B, and W&B's own reader for what was written."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from lth.analysis.gradient import GradientNorm
from lth.experiment import Experiment
from lth.lottery.arms import Outcome
from lth.lottery.levels import Level
from lth.pruning.mask import dense, prunable
from lth.report.recorder import Facts, Recorder
from lth.settings import DataSettings, LevelSettings, ModelSettings
from lth.store.runs import Store
from lth.training.loop import train
from lth.training.run_result import RunResult
from lth.training.run_spec import Observer, RunSpec

Records = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="session")
def runs() -> Callable[[Path], list[Path]]:
    """The files of every W&B run below an outputs folder, by time."""
    return lambda outputs: sorted(outputs.glob("wandb/*run-*/*.wandb"))


@pytest.fixture(scope="session")
def inspect() -> Callable[..., str]:
    """What W&B's own reader says about the file of a run: `wandb leet inspect`, without its seconds of imports."""
    from wandb.util import get_core_path

    def read(path: Path, *words: str) -> str:
        command = [get_core_path(), "leet", "inspect", "--no-observability", *words, "--json"]
        command += ["--run-file", str(path), str(path.parent)]
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


@pytest.fixture(scope="session")
def make_outcome(make_job: Callable[..., RunSpec], make_network: Callable[[], nn.Module]) -> Callable[..., Outcome]:
    """A trained arm of the small network, by default the ticket of level 0; keywords change its training."""
    trained: dict[str, tuple[RunSpec, RunResult]] = {}

    def make(arm: str = "ticket", level: int = 0, draw: int = 0, *observers: Observer, **changes: Any) -> Outcome:
        key = repr((observers, changes))
        if key not in trained:
            model = make_network()
            spec = make_job(model=model, mask=dense(prunable(model)), **changes)
            trained[key] = spec, train(spec, [GradientNorm(10), *observers])
        spec, result = trained[key]
        result = replace(result, run=f"{level}-{arm}-{draw}")
        return Outcome(Level(level, spec, result, None), arm, draw, spec, result)

    return make


@pytest.fixture
def make_recorder(tmp_path: Path) -> Callable[..., Recorder]:
    """A recorder that writes into the test's folder; keywords are those of its experiment, `job` its number."""

    def make(job: int | None = None, **experiment: Any) -> Recorder:
        settings = LevelSettings(experiment="made_up", data=DataSettings("small"), model=ModelSettings("mlp"))
        parts: dict[str, Any] = {"name": "made_up", "settings": LevelSettings, "run": None, "answer": lambda _: ["So."]}
        store = Store(tmp_path / "store")
        about = settings.about("iterative") | {"setting": settings.setting()}
        command = "lth made_up -m seed=0,1"
        facts = Facts(tmp_path / "job", settings, store, lambda: about, command, job, "iterative")
        return Recorder(Experiment(**(parts | experiment)), facts, None)

    return make
