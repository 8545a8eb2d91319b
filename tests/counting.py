"""An experiment in a folder of its own, which tests write wherever they need one."""

from pathlib import Path

HELP = '''"""Counts the weights of networks.

    lth counting    one network
"""
'''
SETTINGS = """
from dataclasses import dataclass

from lth.core.setting import setting
from lth.settings import TrainingSettings


@dataclass
class Counting(TrainingSettings):
    experiment: str = setting("counting", "")
    times: int = setting(2, "how often weights are counted")


SETTINGS = Counting
"""
DECLARATION = """
from lth.experiment import Experiment

from .settings import SETTINGS


def run(session):
    (session.folder / "counted.txt").write_text(f"{session.settings.times} {session.settings.data.name}")
    yield from ()


EXPERIMENT = Experiment(name="counting", settings=SETTINGS, run=run, answer=lambda results: ["Counted."])
"""


def write_experiment(folder: Path, config: str | None = None, help_text: str = HELP) -> Path:
    """An experiment in a folder of its own."""
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(help_text)
    (folder / "settings.py").write_text(SETTINGS)
    (folder / "experiment.py").write_text(DECLARATION)
    if config is not None:
        (folder / f"{folder.name}.yaml").write_text(config)
    return folder
