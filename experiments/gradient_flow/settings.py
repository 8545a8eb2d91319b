"""The settings of `lth gradient_flow`. Imports no torch."""

from dataclasses import dataclass

from lth.core.setting import setting
from lth.pruning.gradual import GradualPruning
from lth.pruning.rewiring import Rewiring
from lth.settings import TrainingSettings
from lth.training.recipe import Duration


@dataclass
class GradientFlowSettings(TrainingSettings):
    """One replicate of `lth gradient_flow`: one pruned solution, and every other training of its sparse network."""

    experiment: str = setting("gradient_flow", "")
    gradual: GradualPruning = setting(GradualPruning, "how the pruned solution is pruned")
    inits: list[str] = setting(
        ["lottery", "scratch", "scratch_other_inits", "scratch_plus", "prune_restart", "pruned", "pruned_other_seeds"],
        "initial weights of the sparse network: the rows of table.csv",
        unhashed="setting",
    )
    methods: list[str] = setting(
        ["small_dense", "set", "set_plus", "rigl", "rigl_plus"], "other methods, as further rows", unhashed="setting"
    )
    repeats: int = setting(5, "runs of each row, each with its data order", unhashed="setting", low=1, high=1000)
    redraw: bool = setting(
        False,
        "whether each run of a row that draws weights has a draw of its own; else its runs share one",
        unhashed_at_default=True,
    )
    rewiring: Rewiring = setting(Rewiring, "how set and rigl change their masks")
    line_examples: int | None = setting(
        None,
        "examples of each split that lines between networks are evaluated on; null: all",
        unhashed="setting",
        low=2,
        high=10**9,
    )
    change_at: Duration | None = setting(
        400, "update of rigl's mask with a Hessian before and after it; null: none", unhashed="setting", low=0
    )
    spectrum_examples: int = setting(1000, "training examples of the Hessian", unhashed="setting", low=1, high=10**9)
    worker: int = setting(
        0,
        "number of this process among those that share the trainings, as -m worker=0,1; worker 0 writes the results",
        unhashed=True,
        low=0,
        high=10**6,
    )


SETTINGS = GradientFlowSettings
