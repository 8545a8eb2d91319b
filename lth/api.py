"""The pieces put together: from a model and data to levels and arms; the same for the command line and for Python."""

import copy
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lth.analysis.sensitivity import measured
from lth.core.errors import LotteryError, SettingError
from lth.core.seeds import Seeds
from lth.core.weights import State, clone
from lth.data import sources
from lth.data.tensors import Data, prepare
from lth.lottery import arms as controls
from lth.lottery import levels as imp
from lth.lottery.context import FreshInit, context_of
from lth.lottery.levels import Fit, Level, rewind_point
from lth.lottery.scoring import gradual_of
from lth.lottery.ticket import Ticket
from lth.models import build
from lth.models.initialize import INITIALIZERS, initialize, needs_mask
from lth.pruning.resolved import resolve
from lth.pruning.rewiring import Rewiring
from lth.pruning.schedule import Pruning
from lth.report.tables import result_row
from lth.store.runs import Store
from lth.training.loop import train
from lth.training.recipe import Duration, Recipe, plan
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec

if TYPE_CHECKING:
    # their values are read here; the library is useful without Hydra
    from lth.settings import LevelSettings, TrainingSettings

log = logging.getLogger(__name__)


def load_data(spec: "TrainingSettings") -> Data:
    """The data set that `spec` names, split and normalised, in main memory."""
    asked = spec.data
    root = Path(asked.root).expanduser() if asked.root else None
    if asked._target_ and asked.name in sources.SOURCES:
        raise SettingError("data._target_", asked._target_, f"is for data=custom, not {asked.name}")
    tensors = sources.custom(asked._target_, asked.args) if asked._target_ else sources.load(asked.name, root)
    return prepare(
        asked.name,
        tensors,
        validation=asked.validation,
        normalize=asked.normalize,
        split_seed=spec.seeds.split,
        augment=asked.augment,
    )


def build_model(spec: "TrainingSettings", data: Data, seeds: Seeds) -> tuple[nn.Module, Callable[[int], State]]:
    """The network that `spec` names for `data`, and its initialiser: a fresh initial state by seed.

    Raises SettingError and LotteryError for a network that cannot be built, or does not take the data.
    """
    asked = spec.model
    if asked.initializer not in INITIALIZERS:
        problem = f"must be one of {', '.join(INITIALIZERS)}"
        raise SettingError("model.initializer", asked.initializer, problem)
    if asked.plus_initializer not in INITIALIZERS or not needs_mask(asked.plus_initializer):
        problem = f"must be one that scales by a mask: {', '.join(filter(needs_mask, INITIALIZERS))}"
        raise SettingError("model.plus_initializer", asked.plus_initializer, problem)

    def construct() -> nn.Module:
        if not asked._target_:
            return build(asked.name, data.shape, data.classes, asked.widths)
        model = sources.call(asked._target_, asked.args, "model")
        if not isinstance(model, nn.Module):
            raise SettingError("model._target_", asked._target_, "does not give a torch.nn.Module")
        return model

    fresh = FreshInit(construct, asked.initializer, asked.plus_initializer)
    model = fresh.constructed(seeds.init)
    check_fit(model, data)
    return model, fresh


def network_of(spec: "TrainingSettings") -> dict[str, Any]:
    """What a ticket keeps so that its network and data can be had again; where the data lie is the machine's affair."""
    return {"model": asdict(spec.model), "data": {**asdict(spec.data), "root": None}}


def check_fit(model: nn.Module, data: Data) -> None:
    """Raises LotteryError where `model` does not take the images of `data`, or gives no logit for each class."""
    probe = copy.deepcopy(model).eval()
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    try:
        with torch.no_grad():
            shape = tuple(probe(data.train.images[:2].to(device)).shape)
    except Exception as error:  # whatever a user's own network raises
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise LotteryError(f"the model does not take images of shape {data.shape}: {reason}") from error
    if len(shape) != 2 or shape[1] < data.classes:
        raise LotteryError(
            f"the model gives {shape} for 2 images of {data.classes} classes; it should give (2, classes)"
        )


@dataclass(frozen=True)
class Procedure:
    """What a replicate does: how to prune, how deep, from where, against which arms, and how `set` and `rigl` go."""

    recipe: Recipe
    pruning: Pruning
    levels: int
    rewind: Duration = 0
    arms: Sequence[str] = ("ticket",)
    arm_levels: Sequence[int] | None = None
    draws: int = 1
    rewiring: Rewiring = field(default_factory=Rewiring)

    @property
    def trainings(self) -> int:
        """How many trainings it takes, that to the rewind point left out."""
        pruned = self.levels if self.arm_levels is None else len(set(self.arm_levels))
        tickets = pruned if self.pruning.levels_apart else self.levels
        if self.pruning.schedule == "gradual":  # a training for the mask, and one of the ticket
            tickets *= 2
        return 1 + tickets + pruned * controls.each_level(self.arms, self.draws)


def procedure_of(spec: "LevelSettings", examples: int) -> Procedure:
    """What `spec` asks for; examples: of the training split."""
    return Procedure(
        spec.recipe,
        spec.pruning,
        spec.levels,
        spec.rewind,
        spec.scheduled_arms,
        spec.control_levels,
        spec.draws,
        spec.rewiring.in_iterations(examples // spec.recipe.batch_size),
    )


def store_of(spec: "TrainingSettings") -> Store:
    """The store that all experiments share."""
    return Store(Path(spec.outputs) / "store", spec.store.checkpoint_seconds)


def search(
    model: nn.Module,
    start: State,
    data: Data,
    seeds: Seeds,
    asked: Procedure,
    fit: Fit,
    fresh: Callable[[int], State],
) -> Iterator[controls.Outcome]:
    """The outcomes of every level and arm as they come.

    `start` is the state at iteration 0, `fresh` draws another by seed (`FreshInit` in the model's own way for a
    narrower network too, else by its modules' `reset_parameters`). All settings are checked before the first training:
    raises SettingError.
    """
    pruning = resolve(model, asked.pruning, asked.levels)
    controls.check(asked.arms, asked.arm_levels, asked.levels, asked.draws)
    job = RunSpec(model, start, {}, data, plan(asked.recipe, len(data.train), asked.rewind), seeds)
    context = context_of(model, start, fresh, asked.rewiring)
    context = replace(context, selection=pruning.selection)
    run_at = range(1, asked.levels + 1) if asked.arm_levels is None else asked.arm_levels
    if asked.pruning.schedule == "gradual":
        gradual_of(job, pruning, pruning.level_counts[-1])
    measure = None
    if pruning.to_be_measured:
        measure = partial(measured, model, data, pruning.layers, asked.pruning.tolerance, asked.pruning.granularity)
    counts = [pruning.weights_left(level) for level in run_at]
    trained = asked.pruning.score_at == "trained"
    controls.check_possible(asked.arms, context, job, pruning.layers, counts, trained)

    def run() -> Iterator[controls.Outcome]:
        dense = RunSpec(model, rewind_point(job, fit), {}, data, job.plan, seeds)
        rounds = imp.levels(dense, pruning, fit, asked.arm_levels, measure)
        yield from controls.outcomes(rounds, asked.arms, fit, context, asked.arm_levels, asked.draws)

    return run()


@dataclass(frozen=True)
class Search:
    """What `find_ticket` found. `levels[n].result` holds the training of level n, `rows` the results as plain dicts."""

    levels: list[Level]
    tickets: list[Ticket]
    best: Ticket
    rows: list[dict[str, Any]]


def find_ticket(
    model: nn.Module | Callable[[], nn.Module],
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    *,
    levels: int,
    recipe: Recipe,
    pruning: Pruning | None = None,
    arms: Sequence[str] = ("ticket",),
    rewind: Duration = 0,
    validation: int | None = None,
    seed: int = 0,
    store: str | Path | Store | None = None,
) -> Search:
    """The lottery tickets of `model`, from its present weights; the model itself is left as it was.

    `model` may also be a function that builds one: it is then built under `seed`, and the arms that draw new weights
    (`reinit`, `scratch`) build it again. They draw for a model that is there already by its modules'
    `reset_parameters`, which is a control only where its weights came from them too.
    train, test: (inputs, labels), inputs float (N, ...) or uint8 as the model takes them, labels int64 (N,).
    `pruning`: None takes a fifth of the survivors at each level, a tenth in the output layer, as `lth imp` does.
    `validation` training examples are held out (None: a tenth). `store` is a folder that keeps every training; None
    keeps nothing. `best` is the sparsest ticket whose validation accuracy at its early stop is no lower than the dense
    network's; without a validation split, the last. Nothing is chosen by the test set. Runs where the model lies.
    """
    if isinstance(model, nn.Module):
        model = copy.deepcopy(model)
        fresh: Callable[[int], State] = partial(_redrawn, copy.deepcopy(model))  # training changes the model itself
    else:
        fresh = FreshInit(model, "default")
        model = fresh.constructed(seed)
    start = clone(model.state_dict())
    held_out = len(train[1]) // 10 if validation is None else validation
    tensors = dict(zip(sources.NAMES, (*train, *test), strict=True))
    data = prepare(
        "custom", {key: torch.as_tensor(x) for key, x in tensors.items()}, validation=held_out, normalize="none"
    )
    check_fit(model, data)
    data = data.to(next(model.parameters()).device)
    seeds = Seeds().resolved(seed)
    store = Store(Path(store)) if isinstance(store, (str, Path)) else store
    fit: Fit = store.train if store else train_here
    pruning = pruning or Pruning(fractions={"output": 0.1})
    asked = Procedure(recipe, pruning, levels, rewind, tuple(arms))
    outcomes = list(search(model, start, data, seeds, asked, fit, fresh))
    rounds = [outcome.level for outcome in outcomes if outcome.arm == "ticket"]
    tickets = [ticket_of(level, {"seed": seed, "level": level.index}) for level in rounds]
    about = {
        "data": data.name,
        "model": type(model).__name__,
        "seed": seed,
        "schedule": asked.pruning.schedule_label,
    }
    rows = [result_row(outcome, about) for outcome in outcomes]
    return Search(rounds, tickets, tickets[_best(rounds)], rows)


def train_here(job: RunSpec) -> RunResult:
    """The trace of `job`, kept nowhere."""
    return train(job)


def _redrawn(model: nn.Module, seed: int) -> State:
    return initialize(model, "default", seed)


def _best(rounds: Sequence[Level]) -> int:
    """The last finished level whose validation accuracy at early stop is no lower than level 0's."""
    done = [n for n, level in enumerate(rounds) if level.result.status == "done"]
    stops = {n: early for n in done if (early := rounds[n].result.early_stop)}
    if 0 not in stops:
        return max(done, default=0)
    return max(n for n, early in stops.items() if (early.val_accuracy or 0) >= (stops[0].val_accuracy or 0))


def ticket_of(level: Level, provenance: dict[str, Any]) -> Ticket:
    """The ticket that `level` trained."""
    return Ticket(
        level.spec.mask, level.spec.initial_state, level.spec.plan.start, {**provenance, "run": level.result.run}
    )
