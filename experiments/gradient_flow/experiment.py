"""The declaration of `lth gradient_flow`."""

from lth.experiment import Experiment, late

from .answer import answer, sheets
from .arms import INITS, METHODS
from .figures import FIGURES, SEED_FIGURES
from .settings import GradientFlowSettings
from .tables import TABLES

EXPERIMENT = Experiment(
    name="gradient_flow",
    settings=GradientFlowSettings,
    run=late(__package__),
    tables=TABLES,
    answer=answer,
    sheets=sheets,
    figures=FIGURES,
    seed_figures=SEED_FIGURES,
    arms=lambda: (*INITS.values(), *METHODS),
    metric="accuracy",
)
