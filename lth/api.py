"""The search for lottery tickets: of a network on tensors, from Python; or by a plan, as experiments do."""

import inspect
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lth.analysis.sensitivity import measured_densities
from lth.core.errors import LotteryError, SettingError
from lth.core.keeping import copied, kept
from lth.core.rng import global_rng
from lth.core.seeds import Seeds
from lth.core.side_state import SideState
from lth.core.trees import first_tensor, take, tree_map
from lth.core.users import users_code
from lth.core.weights import State, clone
from lth.core.wrappers import bare
from lth.data.arrays import kind_of
from lth.data.forms import Examples, raw_data
from lth.data.raw import RawData
from lth.data.tensors import Data, prepare
from lth.from_settings import architecture_digest
from lth.lottery.arms import Outcome, check, check_possible, outcomes
from lth.lottery.context import FreshInit, Initialize, context_of, network_of
from lth.lottery.coverage import announce
from lth.lottery.levels import Fit, Level, levels, rewind_point
from lth.lottery.plan import ImpPlan
from lth.lottery.scoring import gradual_of
from lth.lottery.ticket import Ticket
from lth.models.initialize import initialize
from lth.pruning.parameters import check_parameters
from lth.pruning.resolved import resolve
from lth.pruning.schedule import Pruning
from lth.report.rows import identity, result_row
from lth.report.tables import RESULTS, with_metrics
from lth.store.runs import Store
from lth.tasks.classification import PLAIN
from lth.tasks.kinds import task_named
from lth.tasks.task import Task
from lth.training.loop import train as train_loop
from lth.training.recipe import Duration, Recipe
from lth.training.recipe import plan as training_plan
from lth.training.run_result import Point
from lth.training.run_spec import RunSpec
from lth.training.trial import check_network


def search(
    model: nn.Module,
    initial_state: State,
    data: Data,
    seeds: Seeds,
    plan: ImpPlan,
    fit: Fit,
    fresh: Initialize,
    side: SideState | None = None,
) -> Iterator[Outcome]:
    """Trains the levels and arms of `plan`, and gives each outcome as it comes.

    initial_state: that of iteration 0. fit: trains, or finds a kept result. fresh: another initial state by seed; a
    `FreshInit` draws narrower networks by the model's initialiser, any other function by `reset_parameters`. side: what
    the model keeps beside its state dict at iteration 0; None: what it keeps now. Everything is checked before the
    first training: raises SettingError or LotteryError.
    """
    side = side or SideState(model)
    pruning = resolve(model, plan.pruning, plan.levels, examples=take(data.train.images, slice(2)))
    check(plan.arms, plan.arm_levels, plan.levels, plan.draws)
    training = training_plan(plan.recipe, len(data.train), plan.rewind)
    spec = RunSpec(model, initial_state, {}, data, training, seeds, side=side)
    context = context_of(model, initial_state, fresh, plan.rewiring)
    context = replace(context, selection=pruning.selection, finetune_lr=plan.finetune_lr)
    if plan.pruning.schedule == "gradual":
        gradual_of(spec, pruning, pruning.level_counts[-1])  # raises where the durations do not fit
    counts = [pruning.weights_left(level) for level in plan.control_levels]
    check_possible(plan.arms, context, spec, pruning.layers, counts, plan.pruning.score_at == "trained")
    announce(model, pruning)
    measure = None
    if pruning.to_be_measured:
        how = (plan.pruning.tolerance, plan.pruning.granularity)
        measure = partial(measured_densities, model, data, pruning.layers, *how)

    def run() -> Iterator[Outcome]:
        dense = replace(spec, initial_state=rewind_point(spec, fit))
        trained = levels(dense, pruning, fit, plan.arm_levels, measure)
        yield from outcomes(trained, plan.arms, fit, context, plan.arm_levels, plan.draws)

    return run()


@dataclass(frozen=True)
class Search:
    """The result of `find_ticket`.

    levels: the training of the ticket at each level, as `levels[n].result`; tickets: the ticket of each level; best:
    the sparsest one whose validation accuracy, or other first metric of the task, at its early stop is no worse than
    the dense network's (without a validation split: the last one); rows: a row of results for each level, arm and draw,
    as in `results.csv`.
    """

    levels: list[Level]
    tickets: list[Ticket]
    best: Ticket
    rows: list[dict[str, Any]]


def find_ticket(
    model: nn.Module | Callable[[], nn.Module],
    train: Examples,
    test: Examples,
    *,
    levels: int,
    recipe: Recipe,
    pruning: Pruning | None = None,
    arms: Sequence[str] = ("ticket",),
    rewind: Duration = 0,
    validation: int | None = None,
    seed: int = 0,
    store: str | Path | Store | None = None,
    task: str | Task | None = None,
) -> Search:
    """The lottery tickets of `model`: trains it, prunes it, rewinds it, and again, on the device that it is on.

    model: a network, whose present weights are the initial ones and stay as they are; or a function that builds one,
    called under `seed`. New weights for arms such as `reinit` come from that function, or from the `reset_parameters`
    of the network's modules: then `reinit` is a control only if the present weights come from them too.
    train, test: (inputs, labels), tensors or arrays: inputs float (N, ...) or uint8, as the model takes them; labels
    int64 (N,). Or a map-style dataset of (input, label) pairs, or a DataLoader of one, which is read once and in order.
    levels: the number of prunings. recipe: how every level is trained.
    pruning: what is pruned by which score; None: a fifth of the remaining weights of each layer at each level, of the
    output layer a tenth, by magnitude.
    arms: what is trained at each level: the ticket, and controls such as `reinit`, `shuffle` or `my.module:my_arm`.
    rewind: the iteration whose weights every level starts from, as `500it` or `2ep`; 0: initialisation.
    validation: how many training examples are held out, to choose the best ticket by; None: a tenth. The test set
    chooses nothing.
    task: what is learnt: `classification` (None), `multilabel`, `regression` or `language`, or an object such as
    `lth.Classification(label_smoothing=0.1)` or `lth.CustomTask(loss, metrics, better={"mae": "lower"})`. Inputs and,
    of a custom task, targets may be tuples or dicts of tensors: a network gets a tuple as its arguments, a dict as
    keywords. The next tokens are the targets of `language` where only inputs are given.
    seed: of everything random. store: a folder that keeps every training, so that it is trained once; None: none is.

    Raises SettingError or LotteryError, before anything is trained, for settings that do not fit each other or the
    network.

    >>> import torch
    >>> labels = torch.arange(200) % 2
    >>> inputs = torch.randn(200, 4, generator=torch.Generator().manual_seed(0)) + labels[:, None]
    >>> network = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    >>> recipe = Recipe(iterations=30, batch_size=20, lr=0.01)
    >>> found = find_ticket(network, (inputs, labels), (inputs, labels), levels=2, recipe=recipe)
    >>> [round(ticket.density, 2) for ticket in found.tickets]
    [1.0, 0.83, 0.7]
    """
    levels, seed = _integer("levels", levels), _integer("seed", seed)
    pruning = pruning or Pruning(fractions={"output": 0.1})
    _check_kinds(recipe=(recipe, Recipe), pruning=(pruning, Pruning), store=(store or "", (str, Path, Store)))
    network, fresh = _initialised(model, seed)
    data = _prepared(
        train, test, None if validation is None else _integer("validation", validation), _task(task), network
    )
    check_network(network, data, recipe.batch_size)
    architecture = architecture_digest(network, data, fresh if isinstance(fresh, FreshInit) else None)
    data = data.to(next(network.parameters()).device)
    store = Store(Path(store)) if isinstance(store, (str, Path)) else store
    plan = ImpPlan(recipe, pruning, levels, rewind, (arms,) if isinstance(arms, str) else tuple(arms or ()))
    fit: Fit = store.train if store else train_loop
    state = clone(network.state_dict())
    with kept(network, shared=True):
        trained = list(search(network, state, data, Seeds().resolved(seed), plan, fit, fresh))
    ticket_levels = [outcome.level for outcome in trained if outcome.arm == "ticket"]
    tickets = [level.ticket(seed=seed) for level in ticket_levels]
    about = {"data": data.name, "model": type(network).__name__, "seed": seed, "schedule": plan.pruning.schedule_label}
    about |= identity(data, architecture)
    rows = [result_row(outcome, about) for outcome in trained]
    table = with_metrics(RESULTS, (name for row in rows for name in row))
    rows = [table.columns_of(row) for row in rows]
    return Search(ticket_levels, tickets, tickets[_best(ticket_levels)], rows)


def _initialised(model: nn.Module | Callable[[], nn.Module], seed: int) -> tuple[nn.Module, Initialize]:
    """A network to train, which is not the given one, and what draws new weights for it by seed."""
    if isinstance(model, nn.Module):
        network = bare(model)
        check_parameters(network)
        template = copied(network)  # training changes the network
        return copied(network), lambda seed: initialize(template, "default", seed)
    fresh = FreshInit(partial(_built, model), "default")
    return fresh.constructed(seed), fresh


def _built(function: Callable[[], nn.Module]) -> nn.Module:
    """The network that the user's function builds; LotteryError where it is none, or builds none."""
    name = getattr(function, "__name__", type(function).__name__)
    if not callable(function):
        raise LotteryError(f"model is {kind_of(function)}: give a torch.nn.Module, or a function that builds one")
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        problem = f"cannot be called without arguments ({error}): give a network, or lambda: {name}(...)"
        raise LotteryError(f"model={name} {problem}") from error
    except ValueError:  # a function without a signature
        pass
    with users_code(f"model={name}"):
        return network_of(function(), f"model={name}")


def _check_kinds(**arguments: tuple[Any, Any]) -> None:
    """Raises LotteryError for an argument that is of no type that it can have; arguments: (value, type or types)."""
    for name, (value, kinds) in arguments.items():
        if not isinstance(value, kinds):
            names = " or ".join(kind.__name__ for kind in (kinds if isinstance(kinds, tuple) else (kinds,)))
            raise LotteryError(f"{name} is {kind_of(value)}: give a {names}")


def _integer(key: str, value: Any) -> int:
    """`value` as an int, of NumPy or Python; SettingError naming `key` where it is no whole number."""
    try:
        return operator.index(value)
    except TypeError as error:
        raise SettingError(key, repr(value), "must be a whole number") from error


def _task(task: str | Task | None) -> Task:
    """The task that is meant; SettingError for an unknown name."""
    if isinstance(task, str):
        return task_named(task)
    if task is not None and not hasattr(task, "measures"):
        raise LotteryError(f"task is {kind_of(task)}: give its name, or an object such as lth.Regression()")
    return task or PLAIN


def _prepared(train: Examples, test: Examples, validation: int | None, task: Task, network: nn.Module) -> Data:
    with global_rng(0, "data"):
        tensors = raw_data(train, test, alone=task.targets == "tokens")
    if not any(isinstance(module, (nn.Embedding, nn.EmbeddingBag)) for module in network.modules()):
        floats = {key: tree_map(_floating, tensors[key]) for key in ("train_images", "test_images")}
        tensors = RawData(tensors | floats)  # numbers as integers, which a network of layers alone does not take
    held_out = len(first_tensor(tensors["train_images"])) // 10 if validation is None else validation
    return prepare("custom", tensors, validation=held_out, normalize="none", task=task)


def _floating(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_floating_point() or tensor.dtype == torch.bool else tensor.float()


def _best(levels: Sequence[Level]) -> int:
    """The last finished level whose validation metric at its early stop is no worse than that of level 0."""
    done = [n for n, level in enumerate(levels) if level.result.status == "done"]
    stops = {n: stop for n in done if (stop := levels[n].result.early_stop)}
    if 0 not in stops:
        return max(done, default=0)
    metric = levels[0].spec.data.task.measures.primary

    def value(stop: Point) -> float:
        measured = getattr(stop, metric.on("val"))
        return -math.inf if measured is None else metric.sign * float(measured)

    return max(n for n, stop in stops.items() if value(stop) >= value(stops[0]))
