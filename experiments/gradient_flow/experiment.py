"""The declaration of `lth gradient_flow`."""

from lth.experiment import Experiment

from .answer import answer, sheets
from .figures import FIGURES
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
    arms=lambda: (*INITS.values(), *METHODS),
)
