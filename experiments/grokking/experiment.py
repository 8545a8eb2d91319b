"""The declaration of `lth grokking`."""

from lth.experiment import Experiment, late
from lth.lottery.names import built_in

from .answer import answer, sheets
from .comparison import compare
from .estimators import ESTIMATORS
from .figures import FIGURES
from .settings import METHODS, GrokkingSettings
from .tables import DELAYS

EXPERIMENT = Experiment(
    name="grokking",
    settings=GrokkingSettings,
    run=late(__package__),
    tables=(DELAYS,),
    answer=answer,
    sheets=sheets,
    figures=FIGURES,
    seed_figures=FIGURES,
    compare=compare,
    estimators=ESTIMATORS,
    arms=lambda: (*built_in(), *METHODS),
    metric="accuracy",
)
