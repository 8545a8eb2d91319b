"""The trainings of Evci et al. 2022: one pruned solution, and its sparse network trained in every other way.

A row of the paper's table is one way to begin, with some runs that differ in their data order alone; so what they say
is about one mask. The rows `scratch_other_inits` and `pruned_other_seeds` differ in more, as their names say.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from lth.core.errors import LotteryError, SettingError
from lth.core.rng import Seeds, address
from lth.core.weights import Mask, State
from lth.lottery import arms as controls
from lth.lottery.arms import ARMS, Outcome
from lth.lottery.context import Context
from lth.lottery.levels import Fit, Level
from lth.pruning.mask import dense, prunable
from lth.pruning.updates import GradualPruning, RigL
from lth.store.runs import Store
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

LEVEL = 1
"""Every run has the pruned solution's density, so that all are of one level."""
INITS = {
    "lottery": "ticket",
    "scratch": "reinit",
    "scratch_other_inits": "reinit_other_inits",
    "scratch_plus": "reinit_plus",
    "prune_restart": "restart",
    "pruned": "pruned",
    "pruned_other_seeds": "pruned_other_seeds",
}
"""The rows of the paper's table, and the arms that they are in `results.csv`."""
CHANGING = "rigl"
"""The arm whose network is looked at right before and after a change of its mask."""
CHANGE = ("before", "after")
METHODS = ("small_dense", "set", "set_plus", "rigl", "rigl_plus")
"""Further arms of the paper; `small_dense` has no mask that an initialiser could be aware of."""
MEANINGS = {
    "reinit_other_inits": "as reinit, each run from another draw",
    "pruned": "gradual magnitude pruning in one training, the source of the mask",
    "pruned_other_seeds": "as pruned, each run from other weights and with another order",
}
"""What the arms are that `lth imp` does not have."""


@dataclass(frozen=True)
class Procedure:
    """What is compared: which rows of the table (`inits`), which further arms, and how many runs each.

    spec: the dense training from the weights of step 0, without an update; gradual: how it is pruned meanwhile.
    change_at: the change of rigl's mask that is looked at from both sides, by two short trainings up to it.
    """

    spec: RunSpec
    gradual: GradualPruning
    context: Context
    inits: Sequence[str]
    methods: Sequence[str]
    repeats: int = 5
    change_at: int | None = None

    @property
    def arms(self) -> list[str]:
        """The arms that are asked for, the pruned solution first; it is always trained."""
        asked = [arm for init, arm in INITS.items() if init in self.inits and init != "pruned"]
        return ["pruned", *asked, *(arm for arm in METHODS if arm in self.methods)]

    @property
    def trainings(self) -> int:
        """How many runs that is, short ones too."""
        return 1 + self.repeats * (len(self.arms) - 1) + len(CHANGE) * self.looks_at_change

    @property
    def looks_at_change(self) -> bool:
        """Whether there is a change of a mask to look at."""
        return self.change_at is not None and CHANGING in self.arms

    def check(self) -> None:
        """Raises SettingError or LotteryError for what cannot be done, before anything is trained."""
        for key, asked, known in (("inits", self.inits, INITS), ("methods", self.methods, METHODS)):
            for name in asked:
                if name not in known:
                    raise SettingError(key, name, f"unknown; known: {', '.join(known)}")
        layers, spec = prunable(self.spec.model), self.spec
        self.gradual.check(dense(layers), spec.plan.start, spec.plan.total)
        own = [arm for arm in self.arms if arm in ARMS]
        count = sum(round(self.gradual.density * layer.size) for layer in layers)
        controls.check_possible(own, self.context, spec, layers, [count])
        if self.looks_at_change:
            self._check_change()

    def _check_change(self) -> None:
        rewiring, total = self.context.rewiring, self.spec.plan.total
        last = min(total - 1, total if rewiring.stop is None else rewiring.stop)
        if not (self.change_at and self.change_at % rewiring.every == 0 and self.change_at <= last):
            problem = f"the mask does not change there: it does after each {rewiring.every} iterations, up to {last}"
            raise SettingError("change_at", self.change_at, problem)

    def pruned(self, seeds: Seeds, start: State) -> RunSpec:
        """The dense training under `seeds` from `start`, pruned as it goes."""
        mask = dense(prunable(self.spec.model))
        return replace(self.spec, initial_state=start, mask=mask, seeds=seeds, update=self.gradual)

    def others(self) -> list[RunSpec]:
        """The trainings of `pruned_other_seeds`: those of the next seeds, as whole replicates of them would have."""
        found = []
        for number in range(1, self.repeats + 1):
            now = self.spec.seeds
            seeds = replace(now, init=now.init + number, order=now.order + number, mask=now.mask + number)
            found.append(self.pruned(seeds, self.context.initialize(seeds.init)))
        return found

    def level(self, solution: RunResult) -> Level:
        """The lottery ticket of the pruned `solution`: its mask on the weights of step 0."""
        spec = replace(self.spec, mask=solution.mask({}))
        return Level(LEVEL, spec, solution, solution.final)

    def job_of(self, arm: str, repeat: int, level: Level) -> RunSpec:
        """The training of `arm` with the data order of number `repeat`, never that of the pruned solution."""
        order = address(level.spec.seeds.order, "repeat", repeat)
        here = replace(level, spec=replace(level.spec, seeds=replace(level.spec.seeds, order=order)))
        if arm == "reinit_other_inits":
            return ARMS.get("reinit", "inits")(
                here, replace(self.context, draw=repeat)
            )  # number 0 is that of reinit itself
        return ARMS.get(arm, "methods")(here, self.context)

    def around_change(self, level: Level) -> list[tuple[str, int, RunSpec]]:
        """The first run of rigl up to the change of its mask at `change_at`, without that change and with it."""
        if self.change_at is None or not self.looks_at_change:
            return []
        spec, before = self.job_of(CHANGING, 0, level), self.change_at - self.context.rewiring.every
        spec = replace(spec, plan=replace(spec.plan, stop=self.change_at))
        assert isinstance(spec.update, RigL)
        updates = (replace(spec.update, stop=before) if before else None, spec.update)
        return [(moment, 0, replace(spec, update=update)) for moment, update in zip(CHANGE, updates, strict=True)]


@dataclass(frozen=True)
class Compared:
    """All that was trained: outcomes by arm, in order of their repeats; `level` holds mask, start and solution.

    change: the trainings of rigl up to a change of its mask, `before` it and `after` it; empty where none was asked.
    """

    level: Level
    outcomes: Mapping[str, Sequence[Outcome]]
    change: Mapping[str, tuple[RunSpec, RunResult]]

    @property
    def mask(self) -> Mask:
        """The mask of the pruned solution."""
        return self.level.spec.mask

    @property
    def start(self) -> State:
        """The weights of step 0, pruned positions too."""
        return self.level.spec.initial_state

    @property
    def solution(self) -> RunResult:
        """The training that found the mask."""
        return self.level.result

    def done(self, arm: str) -> list[Outcome]:
        """The runs of `arm` that did not diverge."""
        return [outcome for outcome in self.outcomes.get(arm, ()) if outcome.result.status == "done"]


def compare(asked: Procedure, store: Store, fit: Callable[[str, int], Fit]) -> Compared:
    """Trains all that is asked, or finds it; `fit` gives, for an arm and the number of its run, what trains it.

    Several processes that ask the same share the work: each takes a training that no other is at. Raises LotteryError
    where the pruned solution diverged: there is no mask then.
    """
    asked.check()
    first: list[tuple[str, int, RunSpec]] = [("pruned", 0, asked.pruned(asked.spec.seeds, asked.spec.initial_state))]
    if "pruned_other_seeds" in asked.arms:
        first += [("pruned_other_seeds", number, spec) for number, spec in enumerate(asked.others())]
    results = share(first, store, fit)
    solution = results["pruned", 0]
    if solution.status != "done":
        raise LotteryError(f"the training that is pruned as it goes diverged, so there is no mask: {solution.message}")
    level = asked.level(solution)
    rest = [arm for arm in asked.arms if arm in ARMS or arm == "reinit_other_inits"]
    then = [(arm, n, asked.job_of(arm, n, level)) for n in range(asked.repeats) for arm in rest]
    around = asked.around_change(level)
    results |= share([*then, *around], store, fit)
    jobs = {(arm, number): spec for arm, number, spec in [*first, *then]}
    places = sorted(jobs, key=lambda place: (asked.arms.index(place[0]), place[1]))
    found: dict[str, list[Outcome]] = {}
    for arm, number in places:
        place = arm, number
        found.setdefault(arm, []).append(Outcome(level, arm, number, jobs[place], results[place]))
        controls.warn_if_diverged(level, f"{arm} {number}", results[place])
    return Compared(level, found, {moment: (spec, results[moment, number]) for moment, number, spec in around})


def share(
    jobs: Sequence[tuple[str, int, RunSpec]], store: Store, fit: Callable[[str, int], Fit]
) -> dict[tuple[str, int], RunResult]:
    """The result of each of `jobs` (arm, number, spec), by arm and number; first those that no other process is at."""
    left, found = list(jobs), {}
    while left:
        free = next((one for one in left if not store.busy(one[2])), left[0])
        left.remove(free)
        arm, number, spec = free
        found[arm, number] = fit(arm, number)(spec)
    return found
