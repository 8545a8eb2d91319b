"""The declaration of `lth speed`."""

from lth.experiment import Experiment

from .answer import answer, sheets
from .figures import FIGURES
from .run import run
from .settings import SpeedSettings
from .tables import TABLES

EXPERIMENT = Experiment(
    name="speed",
    settings=SpeedSettings,
    run=run,
    tables=TABLES,
    answer=answer,
    sheets=sheets,
    figures=FIGURES,
)
