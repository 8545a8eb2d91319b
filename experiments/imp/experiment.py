"""The declaration of `lth imp`."""

from lth.experiment import Experiment, late
from lth.lottery.names import names

from .answer import answer
from .estimators import ESTIMATORS
from .figures import COMPARED, FIGURES, SEED_FIGURES
from .settings import ImpSettings
from .sheets import sheets
from .tables import TABLES

EXPERIMENT = Experiment(
    name="imp",
    settings=ImpSettings,
    run=late(__package__),
    tables=TABLES,
    answer=answer,
    sheets=sheets,
    figures=FIGURES,
    seed_figures=SEED_FIGURES,
    compare=COMPARED,
    estimators=ESTIMATORS,
    arms=lambda: tuple(names()),
)
