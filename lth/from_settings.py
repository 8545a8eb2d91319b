"""What settings describe, made: the data, the network, the plan of a search, the store."""

import logging
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from lth.core.code import is_library_function, unwrapped
from lth.core.errors import LotteryError, SettingError
from lth.core.keeping import copied, kept
from lth.core.rng import generators_kept, global_rng
from lth.core.seeds import Seeds
from lth.core.weights import digest
from lth.data import sources
from lth.data.builtin import SOURCES
from lth.data.tensors import Data, prepare
from lth.lottery.arms import requested
from lth.lottery.context import FreshInit, unequal
from lth.lottery.plan import ImpPlan
from lth.models import build
from lth.models.initialize import INITIALIZERS, needs_mask
from lth.pruning.parameters import check_parameters
from lth.pruning.scores import SCORES
from lth.store.architecture import architecture, code_of
from lth.store.passing import tried
from lth.store.reading import hashed
from lth.store.runs import Store

log = logging.getLogger(__name__)

if TYPE_CHECKING:  # only their values are read: this module does without OmegaConf
    from lth.settings import LevelSettings, ModelSettings, TrainingSettings


def load_data(settings: "TrainingSettings") -> Data:
    """The data set that `settings` name, split and normalised, in main memory."""
    chosen = settings.data
    root = Path(chosen.root).expanduser() if chosen.root else None
    if chosen._target_ and chosen.name in SOURCES:
        raise SettingError("data._target_", chosen._target_, f"is for data=custom, not {chosen.name}")
    if chosen._target_:
        with global_rng(0, "data"):
            tensors = sources.custom(chosen._target_, chosen.args)
    else:
        tensors = sources.load(chosen.name, root)
    data = prepare(
        chosen.name,
        tensors,
        validation=chosen.validation,
        normalize=chosen.normalize,
        split_seed=settings.seeds.split,
        augment=chosen.augment,
    )
    return replace(data, content=digest(tensors))


def build_model(settings: "TrainingSettings", data: Data, seeds: Seeds) -> tuple[nn.Module, FreshInit]:
    """The network that `settings` name for `data`, and its initialiser: a new initial state by seed.

    Raises SettingError and LotteryError for a network that cannot be built, or does not take the data.
    """
    chosen = settings.model
    check_initializers(chosen)

    def construct() -> nn.Module:
        if not chosen._target_:
            return build(chosen.name, data.shape, data.classes, chosen.widths)
        model = sources.call(chosen._target_, chosen.args, "model")
        if not isinstance(model, nn.Module):
            raise SettingError("model._target_", chosen._target_, "does not give a torch.nn.Module")
        return model

    fresh = FreshInit(construct, chosen.initializer, chosen.plus_initializer)
    model = fresh.constructed(seeds.init)
    check_outputs(model, data)
    return model, fresh


def check_initializers(model: "ModelSettings") -> None:
    """Raises SettingError for an unknown initialiser, and for one of the arms `*_plus` that scales by no mask."""
    if model.initializer not in INITIALIZERS:
        raise SettingError("model.initializer", model.initializer, f"must be one of {', '.join(INITIALIZERS)}")
    if model.plus_initializer not in INITIALIZERS or not needs_mask(model.plus_initializer):
        problem = f"must be one that scales by a mask: {', '.join(filter(needs_mask, INITIALIZERS))}"
        raise SettingError("model.plus_initializer", model.plus_initializer, problem)


def check_outputs(model: nn.Module, data: Data) -> None:
    """Raises LotteryError where `model` does not take the inputs of `data`, or gives no logit for each class."""
    check_parameters(model)
    probe = copied(model).eval()
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    try:
        with torch.no_grad(), kept(probe, shared=True), generators_kept([]):
            shape = tuple(probe(data.train.images[:2].to(device)).shape)
    except Exception as error:  # whatever a user's own network raises
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise LotteryError(f"the model does not take images of shape {data.shape}: {reason}") from error
    if len(shape) != 2 or shape[1] < data.classes:
        raise LotteryError(
            f"the model gives {shape} for 2 images of {data.classes} classes; it should give (2, classes)"
        )


def architecture_digest(model: nn.Module, data: Data, fresh: FreshInit | None = None) -> str:
    """A hash of the network and of the code in it, 20 hexadecimal digits; of its weights nothing.

    fresh: what builds the network; then the hash is the same for every seed, and one line says so where two networks
    that are built under one seed differ.
    """
    if fresh is None:
        return _digest_of(model, data)
    first, second = (fresh.constructed(0) for _ in range(2))
    digests = [_digest_of(network, data) for network in (first, second)]
    name = unequal(fresh.state_of(first, 0), fresh.state_of(second, 0))
    if not name and digests[0] == digests[1]:
        return digests[0]
    log.warning(
        "two networks that are built under one seed differ%s: something in them draws from a generator that cannot be"
        " seeded from outside, such as numpy.random.default_rng(), so no result of theirs can be repeated",
        f" in {name}" if name else "",
    )
    sections = architecture(first)  # only the code is the same each time
    return hashed({key: sections.get(key) for key in ("sources", "helpers")})


def _digest_of(model: nn.Module, data: Data) -> str:
    sections = architecture(model, tried(model, data.train.images))
    if "unread" in sections:
        sections["unread"] = sections["unread"]["paths"]
    return hashed(sections)


def code_digest(settings: "TrainingSettings") -> str:
    """A hash of the user's own score and arms that `settings` name; empty where they name none."""
    functions: list[Any] = []
    if hasattr(settings, "pruning"):
        functions.append(SCORES.get(settings.pruning.score, "pruning.score").function)
    functions += [one.make for one in requested(getattr(settings, "scheduled_arms", []))]
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
    )


def store_of(settings: "TrainingSettings") -> Store:
    """The store that all experiments share."""
    return Store(Path(settings.outputs) / "store", settings.store.checkpoint_seconds, settings.store.lock_seconds)


def network_provenance(settings: "TrainingSettings") -> dict[str, Any]:
    """What a ticket records of its network and data, to make them again; not where the data lie on this machine."""
    return {"model": asdict(settings.model), "data": {**asdict(settings.data), "root": None}}
