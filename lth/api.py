"""The pieces put together: from a model and data to levels and arms; the same for the command line and for Python."""

import copy
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lth.core.errors import LotteryError, SettingError
from lth.core.rng import Seeds, global_rng, seeds_from
from lth.core.weights import State, clone
from lth.data import sources
from lth.data.tensors import Data, prepare
from lth.models import build
from lth.models.initialize import INITIALIZERS, check_redrawn, initialize
from lth.pruning.mask import Layer, dense, prunable
from lth.pruning.schedule import Pruning, ladder
from lth.pruning.scores import check_score
from lth.report.tables import result_row
from lth.spec import Spec
from lth.store.runs import Store
from lth.tickets import arms as controls
from lth.tickets import imp
from lth.tickets.imp import Fit, Level, rewind_point
from lth.tickets.ticket import Ticket
from lth.training.loop import Job, train
from lth.training.recipe import Duration, Recipe, plan
from lth.training.trace import Trace

log = logging.getLogger(__name__)


def load_data(spec: Spec) -> Data:
    """The data set that `spec` names, split and normalised, in main memory."""
    asked = spec.data
    root = Path(asked.root).expanduser() if asked.root else None
    tensors = sources.own(asked._target_, asked.args) if asked._target_ else sources.load(asked.name, root)
    return prepare(
        asked.name,
        tensors,
        validation=asked.validation,
        normalize=asked.normalize,
        split_seed=spec.seeds.split,
        augment=asked.augment,
    )


def build_model(spec: Spec, data: Data, seeds: Seeds) -> tuple[nn.Module, Callable[[int], State]]:
    """The network that `spec` names for `data`, and its initialiser: a fresh initial state by seed.

    Raises SettingError and LotteryError for a network that cannot be built, or does not take the data.
    """
    asked = spec.model
    if asked.initializer not in INITIALIZERS:
        problem = f"must be one of {', '.join(INITIALIZERS)}"
        raise SettingError("model.initializer", asked.initializer, problem)

    def construct(seed: int) -> nn.Module:
        with global_rng(seed, "build"):
            if asked._target_:
                model = sources.resolve(asked._target_, "model._target_")(**asked.args)
                if not isinstance(model, nn.Module):
                    raise SettingError("model._target_", asked._target_, "does not give a torch.nn.Module")
                return model
            return build(asked.name, data.shape, data.classes, asked.widths)

    def fresh(seed: int) -> State:
        return initialize(construct(seed), asked.initializer, seed)

    model = construct(seeds.init)
    check_fit(model, data)
    return model, fresh


def check_fit(model: nn.Module, data: Data) -> None:
    """Raises LotteryError where `model` does not take the images of `data`, or gives no logit for each class."""
    probe = copy.deepcopy(model).eval()
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    try:
        with torch.no_grad():
            shape = tuple(probe(data.train.images[:2].to(device)).shape)
    except RuntimeError as error:
        raise LotteryError(
            f"the model does not take images of shape {data.shape}: {str(error).splitlines()[0]}"
        ) from error
    if len(shape) != 2 or shape[1] < data.classes:
        raise LotteryError(
            f"the model gives {shape} for 2 images of {data.classes} classes; it should give (2, classes)"
        )


@dataclass(frozen=True)
class Question:
    """What a replicate asks: how to prune, how deep, from where, against which arms."""

    recipe: Recipe
    pruning: Pruning
    levels: int
    rewind: Duration = 0
    arms: Sequence[str] = ("ticket",)
    arm_levels: Sequence[int] | None = None
    draws: int = 1

    @property
    def trainings(self) -> int:
        """How many trainings it takes, that to the rewind point left out."""
        return controls.planned(self.arms, self.arm_levels, self.levels, self.draws)


def search(
    model: nn.Module,
    start: State,
    data: Data,
    seeds: Seeds,
    asked: Question,
    fit: Fit,
    fresh: Callable[[int], State],
) -> Iterator[controls.Outcome]:
    """The outcomes of every level and arm as they come.

    `start` is the state at iteration 0, `fresh` draws another by seed. All settings are checked before the first
    training: raises SettingError.
    """
    check_score(asked.pruning)
    layers = prunable(model, asked.pruning.exclude, asked.pruning.output)
    for layer in layers:
        if layer.kind == "output":
            log.info("output layer: %s", layer.name)
    ladder(layers, asked.pruning, asked.levels)
    controls.check(asked.arms, asked.arm_levels, asked.levels, asked.draws)
    if {"reinit", "scratch"} & set(asked.arms):
        weights = [name for name, parameter in model.named_parameters() if parameter.ndim >= 2]
        check_redrawn(fresh(0), fresh(1), weights)
    job = Job(model, start, {}, data, plan(asked.recipe, len(data.train), asked.rewind), seeds)

    def run() -> Iterator[controls.Outcome]:
        dense = Job(model, rewind_point(job, fit), {}, data, job.plan, seeds)
        rounds = imp.levels(dense, layers, asked.pruning, asked.levels, fit)
        yield from controls.outcomes(rounds, asked.arms, fit, fresh, asked.arm_levels, asked.draws)

    return run()


@dataclass(frozen=True)
class Search:
    """What `find_ticket` found. `levels[n].trace` holds the training of level n, `rows` the results as plain dicts."""

    levels: list[Level]
    tickets: list[Ticket]
    best: Ticket
    rows: list[dict[str, Any]]


def find_ticket(
    model: nn.Module,
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

    train, test: (inputs, labels), inputs float (N, ...) or uint8 as the model takes them, labels int64 (N,).
    `validation` training examples are held out (None: a tenth). `store` is a folder that keeps every training; None
    keeps nothing. `best` is the sparsest ticket whose validation accuracy at its early stop is no lower than the dense
    network's; without a validation split, the last. Nothing is chosen by the test set. Runs where the model lies.
    """
    model = copy.deepcopy(model)
    start = clone(model.state_dict())
    held_out = len(train[1]) // 10 if validation is None else validation
    tensors = dict(zip(sources.NAMES, (*train, *test), strict=True))
    data = prepare(
        "own", {key: torch.as_tensor(x) for key, x in tensors.items()}, validation=held_out, normalize="none"
    )
    check_fit(model, data)
    data = data.to(next(model.parameters()).device)
    seeds = seeds_from(seed)
    store = Store(Path(store)) if isinstance(store, (str, Path)) else store
    fit: Fit = store.train if store else train_here
    asked = Question(recipe, pruning or Pruning(), levels, rewind, tuple(arms))
    fresh = partial(_redrawn, model)
    outcomes = list(search(model, start, data, seeds, asked, fit, fresh))
    rounds = [outcome.level for outcome in outcomes if outcome.arm == "ticket"]
    tickets = [ticket_of(level, {"seed": seed, "level": level.index}) for level in rounds]
    about = {
        "data": data.name,
        "model": type(model).__name__,
        "seed": seed,
        "schedule": asked.pruning.schedule,
    }
    rows = [result_row(outcome, about) for outcome in outcomes]
    return Search(rounds, tickets, tickets[_best(rounds)], rows)


def train_here(job: Job) -> Trace:
    """The trace of `job`, kept nowhere."""
    return train(job)


def _redrawn(model: nn.Module, seed: int) -> State:
    return initialize(model, "default", seed)


def _best(rounds: Sequence[Level]) -> int:
    """The last level whose validation accuracy at early stop is no lower than level 0's."""
    accuracies = [early.val_accuracy if (early := level.trace.early_stop) else None for level in rounds]
    if accuracies[0] is None:
        return len(rounds) - 1
    return max(n for n, value in enumerate(accuracies) if value is not None and value >= accuracies[0])


def ticket_of(level: Level, provenance: dict[str, Any]) -> Ticket:
    """The ticket that `level` trained."""
    return Ticket(level.job.mask, level.job.start, level.job.plan.start, {**provenance, "run": level.trace.run})


def prune(model: nn.Module, fraction: float, mask: dict[str, Tensor] | None = None, **how: Any) -> dict[str, Tensor]:
    """The mask of `model` less `fraction` of the weights that `mask` keeps (None: all), by its present weights.

    `how`: the other fields of `Pruning`, such as score, scope, fractions, exclude.
    """
    pruning = Pruning(fraction=fraction, **how)
    check_score(pruning)
    layers = prunable(model, pruning.exclude, pruning.output)
    mask = mask if mask is not None else dense(layers)
    sizes = [Layer(layer.name, (int(mask[layer.name].sum()),), layer.kind) for layer in layers]
    return imp.prune(clone(model.state_dict()), mask, ladder(sizes, pruning, 1)[1], pruning, 0)
