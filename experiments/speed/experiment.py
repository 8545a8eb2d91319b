"""The declaration of `lth speed`."""

from lth.experiment import Experiment

from .answer import answer, sheets
from .run import run
from .settings import SpeedSettings
from .tables import SPEED

EXPERIMENT = Experiment(name="speed", settings=SpeedSettings, run=run, tables=(SPEED,), answer=answer, sheets=sheets)
