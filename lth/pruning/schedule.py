"""The settings of a pruning. Imports no torch: checked early."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lth.core.checked import check
from lth.core.errors import SettingError
from lth.core.setting import setting
from lth.pruning.gradual import GradualSchedule
from lth.pruning.granularity import blocks, check_granularity, check_groups
from lth.pruning.layer_densities import MEASURED, check_densities

if TYPE_CHECKING:
    from lth.pruning.mask import Layer

SCOPES = ("layerwise", "global", "groups")
SCHEDULES = ("iterative", "one_shot", "gradual")
SCORE_AT = ("trained", "init")


@dataclass
class Pruning:
    """What is pruned, by which score, in which units and scope, and how fast.

    `fraction` of the remaining units goes at each level; `fractions` overrides it by kind of layer (`conv`, `linear`,
    `output`, and of what `include` names `embedding`, `attention`, `recurrent`, `other`) or by name pattern, and a
    pattern goes before a kind. `one_shot` prunes every level from the final weights
    of level 0; `gradual` prunes in one training for each level, to the count that `iterative` has there.

    With `score_at=init` scores are those of the rewind point's weights, so that no level needs the training of another.
    `layer_densities` gives each layer's share of the remaining weights: `uniform`, `erk`, densities by layer up to a
    common factor, or `sensitivity`: the lowest density at which each layer alone keeps accuracy within `tolerance`.

    >>> Pruning(score="snip", scope="global", score_at="init", schedule="one_shot").schedule_label
    'one_shot_at_init'
    """

    score: str = setting(
        "magnitude",
        "the lowest scores are pruned: magnitude, random, snip, grasp, synflow, movement, ..., my_module:my_score",
    )
    scope: str = setting("layerwise", "where scores compete: layerwise, global, groups", options=SCOPES)
    schedule: str = setting(
        "iterative", "iterative, one_shot (from level 0), gradual (during training)", options=SCHEDULES
    )
    fraction: float = setting(0.2, "share of remaining weights pruned at each level", above=0, below=1)
    fractions: dict[str, float] = setting({}, "by kind (conv, linear, output, ...) or name pattern", low=0, below=1)
    include: list[str] = setting(
        [], "parameters pruned besides Linear and ConvNd weights, by name pattern", unhashed_at_default=True
    )
    exclude: list[str] = setting([], "layers that stay dense, by name pattern")
    output: str | None = setting(None, "the output layers, by name pattern; null: by the forward pass")
    score_at: str = setting(
        "trained",
        "weights scored: trained, init (rewind point)",
        options=SCORE_AT,
        unhashed_at_default=True,
        hashed_as="at",
    )
    granularity: str = setting(
        "weight",
        "weight; output, input (channels); N:M as '2:4'",
        unhashed_at_default=True,
        hashed_as="shape",
    )
    norm: float = setting(
        2.0, "p of the norm of a channel's scores", unhashed_at_default=True, above=0, high=1000, infinite=True
    )
    groups: Any = setting(None, "scope=groups: {convs: ['conv*'], rest: ['*']}", unhashed_at_default=True)
    layer_densities: Any = setting(
        "uniform",
        "uniform, erk, sensitivity, a density per layer",
        unhashed_at_default=True,
        hashed_as="densities",
    )
    steps: int | None = setting(
        None, "steps of one pruning; null: as in its paper", unhashed_at_default=True, low=1, high=10**6
    )
    examples: int = setting(
        10, "training examples of each class to score with", unhashed_at_default=True, low=1, high=10**9
    )
    gradual: GradualSchedule = setting(
        GradualSchedule, "schedule=gradual: when weights are pruned", unhashed_at_default=True
    )
    tolerance: float = setting(
        0.01,
        "layer_densities=sensitivity: accepted loss of accuracy, 0 to 1",
        unhashed_at_default=True,
        low=0,
        below=1,
    )

    def __post_init__(self) -> None:
        check(self, "pruning.", durations=False)
        check_granularity(self.granularity)
        check_densities(self.layer_densities)
        self._check_together()

    def _check_together(self) -> None:
        """Raises SettingError for settings that exclude each other."""
        check_groups(self.groups)
        if bool(self.groups) != (self.scope == "groups"):
            problem = "goes with pruning.scope=groups: one needs the other, as in {convs: ['conv*'], rest: ['*']}"
            raise SettingError("pruning.groups", self.groups, problem)
        if self.layer_densities != "uniform" and self.scope != "layerwise":
            problem = "says what each layer keeps, so that layers do not compete: it needs pruning.scope=layerwise"
            raise SettingError("pruning.layer_densities", self.layer_densities, problem)
        if blocks(self.granularity):
            every = f"with granularity={self.granularity} every block keeps the same number"
            if self.scope != "layerwise":
                raise SettingError("pruning.scope", self.scope, f"{every}, layers do not compete: use layerwise")
            if self.layer_densities != "uniform":
                raise SettingError("pruning.layer_densities", self.layer_densities, f"{every}: leave it out")
        if self.score_at == "init" and self.layer_densities == MEASURED:
            problem = "is measured on the trained dense network, and pruning.score_at=init prunes before any training"
            raise SettingError("pruning.layer_densities", self.layer_densities, problem)
        if self.score_at == "init" and self.schedule == "gradual":
            problem = "prunes in training, and pruning.score_at=init before any"
            raise SettingError("pruning.schedule", self.schedule, problem)

    @property
    def levels_apart(self) -> bool:
        """Whether the mask of a level needs no other training than that of the dense network."""
        return self.schedule != "iterative" or self.score_at == "init"

    @property
    def schedule_label(self) -> str:
        """The column `schedule` of the results: the schedule, and whether weights are scored before training."""
        return self.schedule if self.score_at == "trained" else f"{self.schedule}_at_init"

    def fraction_of(self, layer: "Layer") -> float:
        """The fraction of its remaining units that `layer` loses at a level."""
        key = layer.key_in(self.fractions)
        return self.fraction if key is None else self.fractions[key]
