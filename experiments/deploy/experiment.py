"""The declaration of `lth deploy`."""

from lth.core.tables import Row
from lth.experiment import Experiment, late

from .answer import answer
from .comparison import compare
from .figures import FIGURES
from .settings import DeploySettings
from .sheets import sheets
from .tables import TABLES


def series(row: Row) -> str:
    """What a row of results is called in W&B: the kind of its ticket, which its schedule ends with."""
    kind = str(row["schedule"]).rpartition("_")[2]
    return kind if kind == "channels" or ":" in kind else "weights"


EXPERIMENT = Experiment(
    name="deploy",
    settings=DeploySettings,
    run=late(__package__),
    tables=TABLES,
    answer=answer,
    sheets=sheets,
    figures=FIGURES,
    compare=compare,
    series=series,
    metric="accuracy",
)
