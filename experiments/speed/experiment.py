"""The declaration of `lth speed`."""

from lth.experiment import Experiment, late

from .answer import answer, sheets
from .figures import FIGURES
from .settings import SpeedSettings
from .tables import TABLES

EXPERIMENT = Experiment(
    name="speed",
    settings=SpeedSettings,
    run=late(__package__),
    tables=TABLES,
    answer=answer,
    sheets=sheets,
    figures=FIGURES,
)
