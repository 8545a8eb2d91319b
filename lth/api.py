"""The search for lottery tickets from Python: around your own training loop, or by lth's on your tensors."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from lth.arguments import Training, check_kinds, integer
from lth.core.errors import LotteryError
from lth.core.keeping import kept
from lth.core.seeds import Seeds
from lth.core.weights import clone
from lth.data.absent import no_data
from lth.data.arrays import kind_of
from lth.data.forms import Examples
from lth.data.tensors import Data
from lth.discovery import source_of
from lth.from_settings import architecture_digest, digest_of_code
from lth.lottery.context import FreshInit, initialised
from lth.lottery.levels import Fit
from lth.lottery.plan import ImpPlan
from lth.pruning.schedule import Pruning
from lth.report.headline import schedule_words
from lth.report.recorder import Facts, Recorder
from lth.report.rows import identity
from lth.searches import Search, Searches, SearchSettings, best_of, rows_of
from lth.searching import search as search_by_plan
from lth.store.fingerprint import fingerprint, fingerprint_inputs, task_inputs
from lth.store.loop_code import loop_digest
from lth.store.reading import hashed
from lth.store.runs import Store
from lth.tasks.task import Task
from lth.training.custom_loop import CustomLoop
from lth.training.custom_metrics import Judgement
from lth.training.loop import train as train_loop
from lth.training.recipe import Duration, Recipe
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec
from lth.training.trial import check_network, check_weights

Build = nn.Module | Callable[[], nn.Module]
"""A network, or a function that builds one."""


def search(
    build: Build,
    fit: Callable[..., Any] | Training,
    *,
    levels: int,
    arms: Sequence[str] = ("ticket",),
    rewind: Duration = 0,
    iterate: str = "weights",
    finetune_lr: float | None = None,
    finetune_length: Duration | None = None,
    seeds: Iterable[int] = (0,),
    decide: str | None = None,
    better: Mapping[str, str] | None = None,
    pruning: Pruning | None = None,
    arm_levels: Sequence[int] | None = None,
    draws: int = 1,
    data: tuple[Examples, Examples] | None = None,
    task: str | Task | None = None,
    args: Mapping[str, Any] | None = None,
    version: str = "",
    check: bool = False,
    store: str | Path | Store | None = None,
) -> Searches:
    """The search for lottery tickets around your own training loop, with its controls, over seeds.

    build: a function that builds the network, called under each seed, on the device that is to train; or a network,
    whose present weights are the initial ones. Other random weights, for arms such as `reinit`, come from there too.
    fit: your loop, `fit(run, **args)`, see `lth.LoopRun`: it trains `run.model` and returns its final metrics by name,
    as {"test_perplexity": 12.3}; a name begins with its split, `train_`, `val_` or `test_`. Or a `Training`: lth's own
    loop.
    levels: the number of prunings. arms: what is trained at each level: the ticket, and controls such as `reinit`,
    `shuffle` or `my.module:my_arm`; arm_levels: the levels of the controls, None: all; draws: how often random controls
    are repeated. rewind: the step whose weights every level starts from; 0: initialisation. iterate: what levels
    rewind: `weights` and schedule, `lr`, the schedule alone, or, with lth's own loop, `finetune`, neither; finetune_lr:
    the rate that `finetune` holds, the arm and the way (None: the last one, of a cosine 1%); finetune_length: how long
    the way trains, as `500it` or `2ep` (None: from the rewind point to the end).
    seeds: of the replicates, each a search of its own. pruning: what is pruned by which score; None: a fifth of the
    remaining weights of each layer at each level, of the output layer a tenth, by magnitude.
    decide: the logged value that decides the early stop, such as val_loss; better: metric -> `higher` or `lower`, where
    its name does not say it. Neither changes a training.
    data: (train, test) in a form that `Training` takes, for scores and layer densities that need examples; they are
    `run.data`, too. task: what their targets are, and the loss of such scores, as `Training` takes it.
    version: a word for what the code of the loop does not show; check: whether level 0 is trained twice, once resumed
    half way, and the bits have to be the same. store: a folder that keeps every training, so that it is trained once,
    and found again while the loop, its arguments and the user's modules that it reaches are as they were.

    Raises SettingError or LotteryError, one line: before anything is trained, for settings that do not fit each other,
    the network or the loop; and while it trains, for a loop that does what no training does.

    >>> import torch
    >>> def fit(run):
    ...     optimizer = run.attach(torch.optim.SGD(run.model.parameters(), 0.1))
    ...     for step in run.steps(20):
    ...         inputs = torch.randn(8, 4, generator=run.rng(step))
    ...         loss = (run.model(inputs)[:, 0] - inputs.sum(1)).square().mean()
    ...         optimizer.zero_grad()
    ...         loss.backward()
    ...         optimizer.step()
    ...         run.log(step, val_loss=loss)
    ...     return {"test_mse": loss}
    >>> searches = search(lambda: nn.Sequential(nn.Linear(4, 16), nn.Linear(16, 2)), fit, levels=2, seeds=[0, 1])
    >>> [round(ticket.density, 2) for ticket in searches[1].tickets]
    [1.0, 0.83, 0.7]
    """
    pruning = pruning or Pruning(fractions={"output": 0.1})
    levels = integer("levels", levels)
    check_kinds(pruning=(pruning, Pruning), store=(store or "", (str, Path, Store)))
    store = Store(Path(store)) if isinstance(store, (str, Path)) else store
    arms = (arms,) if isinstance(arms, str) else tuple(arms or ())
    loop: CustomLoop | None = None
    if task is not None and (isinstance(fit, Training) or data is None):
        problem = "is for data beside a loop of your own: a Training has its task, and a loop without data needs none"
        raise LotteryError(f"task={task if isinstance(task, str) else kind_of(task)} {problem}")
    given = Training(Recipe(), *data, 0, task) if data else None
    if isinstance(fit, Training):
        given = fit
    else:
        judgement = Judgement(decide, tuple((better or {}).items()))
        loop = CustomLoop(fit, dict(args or {}), version, check, judgement)
    recipe = given.recipe if given else Recipe()
    plan = ImpPlan(
        recipe,
        pruning,
        levels,
        rewind,
        arms,
        arm_levels,
        integer("draws", draws),
        finetune_lr=finetune_lr,
        iterate=iterate,
        finetune_length=finetune_length,
    )
    numbers = [integer("seeds", seed) for seed in seeds]
    return Searches({seed: _searched(build, given, plan, loop, seed, store) for seed in dict.fromkeys(numbers)})


def find_ticket(
    model: Build,
    train: Examples,
    test: Examples,
    *,
    levels: int,
    recipe: Recipe,
    pruning: Pruning | None = None,
    arms: Sequence[str] = ("ticket",),
    rewind: Duration = 0,
    iterate: str = "weights",
    finetune_lr: float | None = None,
    finetune_length: Duration | None = None,
    validation: int | None = None,
    seed: int = 0,
    store: str | Path | Store | None = None,
    task: str | Task | None = None,
) -> Search:
    """The lottery tickets of `model`: trains it, prunes it, rewinds it, and again, on the device that it is on.

    It is `search` with lth's own loop, of one seed. model: a network, whose present weights are the initial ones and
    stay as they are; or a function that builds one, called under `seed`. New weights for arms such as `reinit` come
    from that function, or from the `reset_parameters` of the network's modules: then `reinit` is a control only if the
    present weights come from them too.
    train, test, validation, task: as `Training` takes them. levels: the number of prunings. recipe: how every level is
    trained.
    pruning: what is pruned by which score; None: a fifth of the remaining weights of each layer at each level, of the
    output layer a tenth, by magnitude.
    arms: what is trained at each level: the ticket, and controls such as `reinit`, `shuffle` or `my.module:my_arm`.
    rewind: the iteration whose weights every level starts from, as `500it` or `2ep`; 0: initialisation. iterate: what
    levels rewind: `weights` and schedule, `lr`, the schedule alone, or `finetune`, neither, at a low constant rate;
    finetune_lr, finetune_length: that rate and how long, as `search` takes them.
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
    levels, seed = integer("levels", levels), integer("seed", seed)
    how: dict[str, Any] = {"levels": levels, "pruning": pruning, "arms": arms, "rewind": rewind, "store": store}
    how |= {"iterate": iterate, "finetune_lr": finetune_lr, "finetune_length": finetune_length}
    return search(model, Training(recipe, train, test, validation, task), **how, seeds=[seed])[seed]


def _searched(
    build: Build, given: Training | None, plan: ImpPlan, loop: CustomLoop | None, seed: int, store: Store | None
) -> Search:
    """The search of one seed. given: the data, where lth has any; loop: the user's own, None: lth's."""
    network, fresh = initialised(build, seed)
    if loop is None:
        assert given is not None, "lth's own loop has data"
        data = given.data(network)
        check_network(network, data, plan.recipe.batch_size)
    else:
        data = given.data(network) if given else no_data(loop.name, loop_digest(loop))
        check_weights(network)
    drawn_anew = fresh if isinstance(fresh, FreshInit) else None
    architecture = architecture_digest(network, data, drawn_anew, repeatable=loop is not None)
    data = data.to(next(network.parameters()).device)
    settings = _settings(plan, network, data, loop, seed)
    learnt = task_inputs(data.task)
    code = [
        architecture,
        loop_digest(loop) if loop else "",
        hashed(learnt) if learnt else "",
        digest_of_code([plan.pruning.score], plan.arms),
    ]
    about = {"data": data.name, "model": settings.model, "seed": seed, "schedule": plan.pruning.schedule_label}
    about |= {"iterate": plan.iterate}
    about |= identity(data, architecture) | {"setting": settings.hashed_with(data.content or data.digest, code)}
    fit: Fit = store.train if store else _named
    recorder = Recorder(
        source_of("imp").load(), Facts(None, settings, store, lambda: about, schedule=schedule_words(about)), None
    )
    recorder.progress.expect(plan.trainings)
    state, ticket_levels = clone(network.state_dict()), []
    with kept(network, shared=True), recorder:
        for outcome in search_by_plan(network, state, data, Seeds().resolved(seed), plan, fit, fresh, loop=loop):
            recorder.add(outcome, {})
            if outcome.arm == "ticket":
                ticket_levels.append(outcome.level)
        recorder.close()
    tickets = [level.ticket(seed=seed) for level in ticket_levels]
    examples = {name: len(getattr(data, name)) for name in ("train", "validation", "test")}
    return Search(ticket_levels, tickets, tickets[best_of(ticket_levels)], rows_of(recorder), recorder, examples)


def _named(spec: RunSpec) -> RunResult:
    """The result of training `spec`, by the name under which a store would keep it: rows tell trainings apart by it."""
    run = fingerprint(fingerprint_inputs(spec))
    result = train_loop(spec)
    result.run = run
    return result


def _settings(plan: ImpPlan, network: nn.Module, data: Data, loop: CustomLoop | None, seed: int) -> SearchSettings:
    return SearchSettings(
        data=data.name,
        model=type(network).__name__,
        loop=loop.name if loop else None,
        decide=loop.judgement.decide if loop else None,
        better=dict(loop.judgement.better) if loop else {},
        recipe=None if loop else plan.recipe,
        pruning=plan.pruning,
        rewind=plan.rewind,
        iterate=plan.iterate,
        finetune_lr=plan.finetune_lr,
        finetune_length=plan.finetune_length,
        levels=plan.levels,
        arms=list(plan.arms),
        arm_levels=None if plan.arm_levels is None else list(plan.arm_levels),
        draws=plan.draws,
        seed=seed,
        device=str(data.train.device),
    )
