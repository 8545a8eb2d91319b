"""The declaration of `lth imp`."""

from lth.experiment import Experiment
from lth.lottery.arms import ARMS

from .answer import answer
from .figures import COMPARED, FIGURES, SEED_FIGURES
from .run import run
from .settings import ImpSettings
from .sheets import sheets
from .tables import TABLES

EXPERIMENT = Experiment(
    name="imp",
    settings=ImpSettings,
    run=run,
    tables=TABLES,
    answer=answer,
    sheets=sheets,
    figures=FIGURES,
    seed_figures=SEED_FIGURES,
    compare=COMPARED,
    arms=lambda: tuple(ARMS),
)
