"""What settings describe, made: the data, the network, the plan of a search, the store."""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from lth.core.code import is_library_function, unwrapped
from lth.core.errors import LotteryError, SettingError
from lth.core.rng import global_rng
from lth.core.seeds import Seeds
from lth.data import sources
from lth.data.absent import no_data
from lth.data.builtin import SOURCES
from lth.data.checks import check_class_count
from lth.data.label_noise import with_label_noise
from lth.data.modular import modular
from lth.data.preparation import prepare
from lth.data.splits import remember_digest
from lth.data.tensors import Data
from lth.data.text import held_out_last, text_data
from lth.lottery.arms import requested
from lth.lottery.context import FreshInit, check_apart, network_of, unequal
from lth.lottery.plan import ImpPlan
from lth.models import TOKENS, Sequences, build
from lth.models.initialize import INITIALIZERS, needs_mask
from lth.pruning.scores import SCORES
from lth.settings import NO_DATA
from lth.store.architecture import architecture, code_of
from lth.store.loop_code import loop_digest
from lth.store.passing import tried
from lth.store.reading import hashed
from lth.store.runs import Store
from lth.tasks.classification import PLAIN, Classification
from lth.tasks.custom import CustomTask
from lth.tasks.kinds import task_named
from lth.tasks.task import Task
from lth.training.custom_loop import CustomLoop
from lth.training.custom_metrics import Judgement
from lth.training.trial import check_network, check_weights

log = logging.getLogger(__name__)

MOST_CLASSES = 1_000
"""So many classes may have no example: a few examples of ImageNet are data still."""

if TYPE_CHECKING:  # only their values are read: this module does without OmegaConf
    from lth.settings import LevelSettings, LoopSettings, ModelSettings, TaskSettings, TrainingSettings


def load_data(settings: "TrainingSettings", keep: bool = True) -> Data:
    """The data set that `settings` name, split and normalised, in main memory.

    keep: whether the folder `data.root` may be written to, as where the user has named it.
    """
    chosen = settings.data
    if chosen.name == NO_DATA:
        loop = custom_loop(settings)
        assert loop is not None, "settings without data have a loop that brings its own"
        return no_data(loop.name, loop_digest(loop))
    root = sources.folder_of(chosen.root, "data.root") if chosen.root else None
    sources.check_name(chosen.name)
    if chosen._target_ and chosen.name in (*SOURCES, *sources.GENERATED):
        raise SettingError("data._target_", chosen._target_, f"is for data=custom, not {chosen.name}")
    if chosen._target_:
        with global_rng(0, "data"):
            tensors = sources.custom(chosen._target_, chosen.args, settings.task.name == "language")
    elif chosen.name == "modular":
        tensors = modular(chosen.p, chosen.train_fraction, chosen.symmetric, settings.seeds.split)
    elif chosen.name == "text":
        tensors = text_data(chosen.path, chosen.context)
    else:
        tensors = sources.load(chosen.name, root, keep)
    how: dict[str, Any] = {
        "validation": 0 if chosen.name == "text" else chosen.validation,
        "normalize": chosen.normalize,
        "split_seed": settings.seeds.split,
    }
    task = task_of(settings.task, tensors.task)
    data = prepare(chosen.name, tensors, **how, augment=chosen.augment, content=tensors.digest, task=task)
    if task == PLAIN and tensors.file is not None:
        remember_digest(data, tensors.file, keep, **how)
    if not settings.model._target_ and task.targets == "classes":  # such a network has as many outputs as classes
        check_class_count(chosen.name, tensors, MOST_CLASSES)
    if chosen.name == "text":
        data = held_out_last(data, chosen.validation)
    return with_label_noise(data, chosen.label_noise, chosen.label_noise_kind, settings.seeds.noise)


def task_of(chosen: "TaskSettings", named: str = "") -> Task:
    """The task that settings describe; named: the one that the data name, for settings that leave it to them.

    Raises SettingError for functions that cannot be imported, and for what is no metric that could decide.
    """
    name = chosen.name if chosen.name != "auto" else named or "classification"
    if name == "custom" and chosen._target_ and chosen.metrics:
        loss = sources.resolve(chosen._target_, "task._target_")
        metrics = sources.resolve(chosen.metrics, "task.metrics")
        return CustomTask(loss, metrics, chosen.better, chosen.decide, args=chosen.args)
    if name != "classification":
        return task_named(name, chosen.decide, "data" if chosen.name == "auto" else "task")
    task = Classification(chosen.label_smoothing, tuple(chosen.class_weights or ()), chosen.decide)
    task.measures  # noqa: B018  # raises where nothing is called so
    return task


def build_model(
    settings: "TrainingSettings", data: Data, seeds: Seeds, trained: bool = True
) -> tuple[nn.Module, FreshInit]:
    """The network that `settings` name for `data`, and its initialiser: a new initial state by seed.

    trained: whether it is to be trained, which not every network that takes the data can be. Raises SettingError and
    LotteryError for a network that cannot be built, or does not take the data.
    """
    chosen = settings.model
    check_initializers(chosen)
    sequences = sequences_of(chosen, data) if chosen.name in TOKENS else None

    def construct() -> nn.Module:
        if not chosen._target_:
            return build(chosen.name, data.shape, data.classes, chosen.widths, chosen.width, sequences)
        return network_of(sources.call(chosen._target_, chosen.args, "model"), f"model._target_={chosen._target_}")

    fresh = FreshInit(construct, chosen.initializer, chosen.plus_initializer)
    model = fresh.constructed(seeds.init)
    if settings.brings_data:  # what such a loop gives the network, and takes of it, is its own business
        check_weights(model)
    else:
        check_network(model, data, settings.recipe.batch_size if trained else None)
    return model, fresh


def sequences_of(model: "ModelSettings", data: Data) -> Sequences | None:
    """What a network of tokens needs to know of `data`; None where its inputs are no sequences of whole numbers."""
    splits = [split.images for split in (data.train, data.validation, data.test) if len(split)]
    if not all(isinstance(x, Tensor) and x.ndim == 2 and bool((x == x.round()).all() and x.min() >= 0) for x in splits):
        return None
    tokens = max(int(x.max()) for x in splits) + 1
    return Sequences(tokens, data.task.targets == "tokens", model.depth, model.heads, model.embedding)


def custom_loop(settings: "TrainingSettings") -> CustomLoop | None:
    """The user's own training loop that `settings` name; None for lth's. Raises SettingError where there is none."""
    chosen: LoopSettings | None = getattr(settings, "loop", None)
    if chosen is None or chosen.name != "custom":
        return None
    function = sources.resolve(str(chosen._target_), "loop._target_")
    judgement = Judgement(chosen.decide, tuple(chosen.better.items()))
    return CustomLoop(function, dict(chosen.args), chosen.version or "", chosen.check, judgement)


def check_initializers(model: "ModelSettings") -> None:
    """Raises SettingError for an unknown initialiser, and for one of the arms `*_plus` that scales by no mask."""
    if model.initializer not in INITIALIZERS:
        raise SettingError("model.initializer", model.initializer, f"must be one of {', '.join(INITIALIZERS)}")
    if model.plus_initializer not in INITIALIZERS or not needs_mask(model.plus_initializer):
        problem = f"must be one that scales by a mask: {', '.join(filter(needs_mask, INITIALIZERS))}"
        raise SettingError("model.plus_initializer", model.plus_initializer, problem)


def architecture_digest(model: nn.Module, data: Data, fresh: FreshInit | None = None, repeatable: bool = False) -> str:
    """A hash of the network and of the code in it, 20 hexadecimal digits; of its weights nothing.

    fresh: what builds the network; then the hash is the same for every seed, and one line says so where two networks
    that are built under one seed differ. repeatable: such networks are a LotteryError.
    """
    if fresh is None:
        return _digest_of(model, data)
    first, second = (fresh.constructed(0) for _ in range(2))
    check_apart(first, second)
    digests = [_digest_of(network, data) for network in (first, second)]
    name = unequal(fresh.state_of(first, 0), fresh.state_of(second, 0))
    if not name and digests[0] == digests[1]:
        return digests[0]
    line = (
        f"two networks that are built under one seed differ{f' in {name}' if name else ''}: something in them draws"
        " from a generator that cannot be seeded from outside, such as numpy.random.default_rng(), so no result of"
        " theirs can be repeated"
    )
    if repeatable:
        raise LotteryError(line)
    log.warning(line)
    sections = architecture(first)  # only the code is the same each time
    return hashed({key: sections.get(key) for key in ("sources", "helpers")})


def _digest_of(model: nn.Module, data: Data) -> str:
    sections = architecture(model, tried(model, data.train.images))
    if "unread" in sections:
        sections["unread"] = sections["unread"]["paths"]
    return hashed(sections)


def code_digest(settings: "TrainingSettings") -> str:
    """A hash of the user's own score and arms that `settings` name; empty where they name none."""
    scores = [settings.pruning.score] if hasattr(settings, "pruning") else []
    further = [sources.resolve(x, "task") for x in (settings.task._target_, settings.task.metrics) if x]
    return digest_of_code(scores, getattr(settings, "scheduled_arms", []), further)


def digest_of_code(scores: Sequence[str], arms: Sequence[str], further: Sequence[Any] = ()) -> str:
    """A hash of the user's own code among `scores`, `arms` and `further` functions; empty where all are lth's."""
    functions: list[Any] = [SCORES.get(score, "pruning.score").function for score in scores]
    functions += [*(one.make for one in requested(arms)), *further]
    functions_of_user = [x for function in functions for x in unwrapped(function) if not is_library_function(x)]
    return hashed(code_of(functions_of_user)) if functions_of_user else ""


def imp_plan(settings: "LevelSettings", examples: int) -> ImpPlan:
    """The plan that `settings` describe; examples: the size of the training split."""
    return ImpPlan(
        settings.recipe,
        settings.pruning,
        settings.levels,
        settings.rewind,
        settings.scheduled_arms,
        settings.control_levels,
        settings.draws,
        settings.rewiring.in_iterations(examples // settings.recipe.batch_size),
        settings.finetune_lr,
        settings.iterate,
        settings.finetune_length,
    )


def store_of(settings: "TrainingSettings") -> Store:
    """The store that all experiments share."""
    return Store(Path(settings.outputs) / "store", settings.store.checkpoint_seconds, settings.store.lock_seconds)


def network_provenance(settings: "TrainingSettings") -> dict[str, Any]:
    """What a ticket records of its network and data, to make them again; not where the data lie on this machine."""
    return {"model": asdict(settings.model), "data": {**asdict(settings.data), "root": None, "path": None}}
