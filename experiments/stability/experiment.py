"""The declaration of `lth stability`."""

from lth.core.tables import Row
from lth.experiment import Experiment, late

from .answer import answer, sheets
from .comparison import compare
from .estimators import ESTIMATORS
from .figures import FIGURES
from .settings import StabilitySettings
from .tables import TABLES


def series(row: Row) -> str:
    """What a row is called in W&B: its rewind point and its arm."""
    return f"k{row['rewind']}/{row['arm']}" if "rewind" in row else str(row["arm"])


EXPERIMENT = Experiment(
    name="stability",
    settings=StabilitySettings,
    run=late(__package__),
    tables=TABLES,
    answer=answer,
    sheets=sheets,
    figures=FIGURES,
    seed_figures=FIGURES,
    compare=compare,
    estimators=ESTIMATORS,
    series=series,
    metric="accuracy",
)
