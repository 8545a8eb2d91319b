"""What is trained for Evci et al. 2022: one pruned solution, and its sparse network in every other way.

Each row of the paper's table stands for one kind of initial weights, with several runs under one mask. Every run has a
data order of its own, the same in every row. Where `redraw` is set, every run of a row whose weights are drawn starts
from a draw of its own; else those of a row share one. The weights of `lottery` and `prune_restart` are given by the
pruned solution, so their runs differ in data order alone. The rows `scratch_one_init`, `scratch_other_inits` and
`pruned_other_seeds` are as their names say.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from lth.core.errors import SettingError
from lth.core.rng import address
from lth.core.seeds import Seeds
from lth.core.weights import State
from lth.lottery import arms as controls
from lth.lottery.arms import ARMS
from lth.lottery.context import Context, scaled_by
from lth.lottery.coverage import announce
from lth.lottery.levels import Level
from lth.pruning.mask import dense, prunable
from lth.pruning.resolved import resolve
from lth.pruning.schedule import Pruning
from lth.pruning.updates import GradualPruning, RigL
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

from .arms import INITS, KINDS, METHODS

LEVEL = 1
"""Every run has the density of the pruned solution, so all belong to one level."""
CHANGING = "rigl"
"""The arm whose Hessian is taken right before and after a change of its mask."""
CHANGE = ("before", "after")
SOLUTIONS = ("pruned", "pruned_other_seeds")
"""The arms that find a mask; all others train that of `pruned`."""
GLOROT = "sparsity_aware_average_uniform"
"""The initialiser of `reinit_plus_glorot`: the authors' configuration, unlike the paper's formula N(0, 2 / fan-in)."""


@dataclass(frozen=True)
class Training:
    """A training of the plan: the run of an arm with this number."""

    arm: str
    number: int
    spec: RunSpec


@dataclass
class HaltedRigL(RigL):
    """RigL that changes the mask after step `final` for the last time, while its share falls towards `stop`."""

    final: int = 0

    def due(self, iteration: int) -> bool:
        """Whether the mask changes after `iteration` steps."""
        return super().due(iteration) and iteration <= self.final


def halted(update: RigL, final: int) -> RigL:
    """`update` without its changes of the mask after step `final`; those up to there are the same."""
    if update.anneal == "learning_rate":  # its share does not depend on where it stops
        return replace(update, stop=final)
    return HaltedRigL(**asdict(update), final=final)


@dataclass(frozen=True)
class GradientFlowPlan:
    """What is trained: the rows of the table (`inits`), further arms (`methods`), and `repeats` runs of each.

    spec: the dense training from the weights of step 0, without a mask update; gradual: how it is pruned meanwhile.
    redraw: whether each run of an arm that draws has draws of its own, of weights and of what changes its mask.
    change_at: the change of rigl's mask that the Hessian is taken around, by two short trainings up to it; None: none.
    """

    spec: RunSpec
    gradual: GradualPruning
    context: Context
    inits: Sequence[str]
    methods: Sequence[str]
    repeats: int = 5
    change_at: int | None = None
    redraw: bool = False

    @property
    def arms(self) -> list[str]:
        """The arms to be trained, beginning with the pruned solution, which always is."""
        arms = [arm for init, arm in INITS.items() if init in self.inits and init != "pruned"]
        return ["pruned", *arms, *(arm for arm in METHODS if arm in self.methods)]

    @property
    def trainings(self) -> int:
        """How many trainings that takes, short ones included."""
        return 1 + self.repeats * (len(self.arms) - 1) + len(CHANGE) * self.measures_change

    @property
    def measures_change(self) -> bool:
        """Whether the Hessian is taken around a change of a mask."""
        return self.change_at is not None and CHANGING in self.arms

    def check(self) -> None:
        """Raises SettingError or LotteryError for what cannot be done, before anything is trained."""
        for key, names, known in (("inits", self.inits, INITS), ("methods", self.methods, METHODS)):
            for name in names:
                if name not in known:
                    raise SettingError(key, name, f"unknown; known: {', '.join(known)}")
        layers, spec = prunable(self.spec.model), self.spec
        announce(spec.model, resolve(spec.model, Pruning(), 0, examples=spec.data.train.images))
        self.gradual.check(dense(layers), spec.plan.start, spec.plan.total)
        arms = list(dict.fromkeys(KINDS.get(arm, arm) for arm in self.arms if arm not in SOLUTIONS))
        count = sum(round(self.gradual.density * layer.size) for layer in layers)
        controls.check_possible(arms, self.context, spec, layers, [count])
        if self.measures_change:
            self._check_change()

    def _check_change(self) -> None:
        rewiring, total = self.context.rewiring, self.spec.plan.total
        last = rewiring.last(total)
        if not (self.change_at and self.change_at % rewiring.every == 0 and self.change_at <= last):
            problem = f"the mask does not change there: it does after each {rewiring.every} iterations, up to {last}"
            raise SettingError("change_at", self.change_at, problem)

    def solution(self) -> Training:
        """The pruned solution: the dense training, pruned as it goes."""
        return Training("pruned", 0, self._pruned(self.spec.seeds, self.spec.initial_state))

    def other_solutions(self) -> list[Training]:
        """The trainings of `pruned_other_seeds`: the pruned solutions of replicates with the next seeds."""
        now = self.spec.seeds
        trainings = []
        for number in range(self.repeats):
            step = number + 1
            seeds = replace(now, init=now.init + step, order=now.order + step, mask=now.mask + step)
            spec = self._pruned(seeds, self.context.initialize(seeds.init))
            trainings.append(Training("pruned_other_seeds", number, spec))
        return trainings

    def _pruned(self, seeds: Seeds, initial_state: State) -> RunSpec:
        mask = dense(prunable(self.spec.model))
        return replace(self.spec, initial_state=initial_state, mask=mask, seeds=seeds, update=self.gradual)

    def level(self, solution: RunResult) -> Level:
        """The lottery ticket of the pruned `solution`: its mask on the weights of step 0."""
        return Level(LEVEL, replace(self.spec, mask=solution.mask({})), solution, solution.final)

    def training(self, arm: str, number: int, level: Level) -> Training:
        """The run of `arm` with data order `number`, which is never that of the pruned solution.

        Number 0 is the same training whether weights are drawn for each run or once.
        """
        spec, kind = level.spec, ARMS.get(KINDS.get(arm, arm), "methods")
        order = address(spec.seeds.order, "repeat", number)
        reordered = replace(level, spec=replace(spec, seeds=replace(spec.seeds, order=order)))
        redrawn = arm == "reinit_other_inits" or (self.redraw and kind.draws and arm != "reinit_one_init")
        context = replace(self.context, draw=number if redrawn else 0)
        if arm == "reinit_plus_glorot":
            context = replace(context, scaled=scaled_by(spec.model, spec.initial_state, GLOROT))
        return Training(arm, number, kind(reordered, context))

    def around_change(self, level: Level) -> list[Training]:
        """Run 0 of rigl up to iteration `change_at`, without the change of its mask there (`before`) and with it."""
        if self.change_at is None or not self.measures_change:
            return []
        spec, last_before = self.training(CHANGING, 0, level).spec, self.change_at - self.context.rewiring.every
        spec = replace(spec, plan=replace(spec.plan, stop=self.change_at))
        assert isinstance(spec.update, RigL)
        updates = (halted(spec.update, last_before) if last_before else None, spec.update)
        return [
            Training(moment, 0, replace(spec, update=update)) for moment, update in zip(CHANGE, updates, strict=True)
        ]
