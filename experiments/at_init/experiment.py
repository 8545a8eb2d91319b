"""The declaration of `lth at_init`."""

from lth.core.tables import Row
from lth.experiment import Experiment, late
from lth.pruning.methods import METHODS, method_of

from .answer import answer
from .comparison import compare
from .figures import FIGURES, SEED_FIGURES
from .methods import ABLATIONS, TABLE, sheets
from .settings import AtInitSettings


def series(row: Row) -> str:
    """What a row of results is called in W&B: its method and its arm."""
    return f"{method_of(row['schedule'])}/{row['arm']}" if "schedule" in row else str(row["arm"])


EXPERIMENT = Experiment(
    name="at_init",
    settings=AtInitSettings,
    run=late(__package__),
    tables=(TABLE,),
    answer=answer,
    sheets=sheets,
    figures=FIGURES,
    seed_figures=SEED_FIGURES,
    compare=compare,
    series=series,
    arms=lambda: [f"{method}/{arm}" for method in METHODS for arm in ("ticket", *ABLATIONS)],
    metric="accuracy",
)
