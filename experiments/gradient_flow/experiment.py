"""The declaration of `lth gradient_flow`."""

from lth.experiment import Experiment

from .answer import answer, sheets
from .figures import FIGURES, SEED_FIGURES
from .plan import INITS, METHODS
from .run import run
from .settings import GradientFlowSettings
from .tables import TABLES

EXPERIMENT = Experiment(
    name="gradient_flow",
    settings=GradientFlowSettings,
    run=run,
    tables=TABLES,
    answer=answer,
    sheets=sheets,
    figures=FIGURES,
    seed_figures=SEED_FIGURES,
    arms=lambda: (*INITS.values(), *METHODS),
)
