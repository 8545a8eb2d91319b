"""Experiments that run to their end in this process: a new one costs seconds for its imports alone."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict

from lth.cli.config import read
from lth.cli.jobs import run_experiment
from tests.composing import configuration


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands of a module run that share a store."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[Path, str]]:
    """`here(folder, root, experiment, *words)` runs `lth experiment words` in `folder`; `root`: its prepared data.

    Gives the job's folder and what was printed. With `figures=False` it draws none: that takes most of a short run.
    """
    counter = itertools.count()

    def run(folder: Path, root: Path, experiment: str, *words: str, figures: bool = True) -> tuple[Path, str]:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("LTH_DATA", str(root))
        monkeypatch.setenv("WANDB_MODE", "disabled")
        config = configuration(experiment, *words, hydra=True)
        HydraConfig.instance().set_config(config)
        with open_dict(config):
            del config["hydra"]
        to = folder / "jobs" / f"{len(list(folder.glob('jobs/*')))}-{next(counter)}"
        with monkeypatch.context() as here:
            if not figures:
                here.setattr("lth.report.recorder.draw", lambda *arguments: [])
            run_experiment(experiment, read(config), to)
        captured = capsys.readouterr()
        return to, captured.out + captured.err

    return run
