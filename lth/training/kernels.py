"""Which products of a training are sparse: those that may be, on this machine, and are the faster ones or asked for.

A sparse product differs from a dense one in its last bits. So the choice belongs to a training: it is kept with the
result and replayed when the training goes on, and the fingerprint of a training that may have sparse products is its
own.
"""

import logging
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from lth.core.errors import SettingError
from lth.core.places import is_plain
from lth.core.weights import load
from lth.kernels import DENSEST
from lth.kernels.ready import ready
from lth.kernels.timing import interleaved
from lth.pruning.mask import kept
from lth.training.run_spec import RunSpec
from lth.training.steps import DenseSteps, Steps

log = logging.getLogger(__name__)

CHAIN, SPARSE = "chain", "sparse"
LEAST_WORK = 10**10
"""Pruned layers' weights times training examples, below which a dense training ends before a choice is made."""
LARGE = 10**7
"""Weights from which dense and sparse iterations are timed one after the other: side by side they would take twice the
memory of a training."""
SPARSE_LOOP = 2
"""Raise it when sparse products give other results: runs with older ones are then trained again."""

Kernels = dict[str, str]
"""Name of a weight -> `sparse`, or `chain` for all weights of a chain; empty where all products are dense."""


def fingerprinted(spec: RunSpec) -> str | None:
    """What tells the fingerprint that products may be sparse; None where all are dense.

    It depends on `spec` alone, on no machine.
    """
    return f"{spec.plan.kernels} {SPARSE_LOOP}" if _possible(spec) else None


def _possible(spec: RunSpec) -> bool:
    """Whether a product of `spec` may be sparse: always where its mask changes."""
    if spec.plan.kernels == "dense" or spec.plan.precision != "float32" or spec.plan.compile:
        return False
    sizes = {name: mask.numel() for name, mask in spec.mask.items()}
    counts = kept(spec.mask)
    if spec.plan.kernels == "sparse":
        return bool(spec.update) or any(counts[name] < size for name, size in sizes.items())
    examples = spec.plan.batch_size * (spec.plan.stop - spec.plan.start)
    weights = sum(size for name, size in sizes.items() if spec.update or counts[name] <= DENSEST * size)
    return weights * examples >= LEAST_WORK


def choose(spec: RunSpec, before: Mapping[str, str] | None = None) -> Kernels:
    """The sparse products of the training of `spec`, whose model has its first weights.

    They are those that an earlier training of `spec` had `before`, where this machine can have them. Else both ways are
    timed where a product may be sparse (`recipe.kernels=auto`), or all are sparse that can be (`sparse`). Raises
    SettingError for `sparse` where none can.
    """
    if not _possible(spec):
        return {}
    if before is not None and not (before and _problem(spec, _part(before))):
        return dict(before)
    chain = _chain(spec)
    problem = _problem(spec, "chains" if chain else "layers")
    if problem and spec.plan.kernels == "sparse":
        raise SettingError("recipe.kernels", "sparse", f"{problem}; recipe.kernels=auto takes what can be had")
    if problem:
        if spec.data.train.device.type == "cpu":  # on a GPU all products are dense as a matter of course
            _say_once(problem)
        return {}
    if spec.plan.kernels == "sparse":
        return chain or _all_layers(spec)
    return _faster_layers(spec) if not chain else chain if _chain_is_faster(spec, chain) else {}


def steps_of(spec: RunSpec, kernels: Mapping[str, str]) -> Steps:
    """The steps of the training of `spec` with the products `kernels`; ValueError where it cannot have them."""
    if not kernels:
        return _dense(spec)
    part = _part(kernels)
    if problem := _problem(spec, part):
        raise ValueError(problem)
    if part == "layers":
        from lth.training.layer_steps import LayerSteps

        if not kernels.keys() <= spec.mask.keys() or set(kernels.values()) != {SPARSE}:
            raise ValueError(f"{dict(kernels)} are not the products of such a training")
        return LayerSteps(spec, kernels)
    from lth.kernels.chain import chain_of
    from lth.training.chain_steps import ChainSteps

    layers = chain_of(spec.model, spec.data.train.images[:2])
    if {layer.weight: CHAIN for layer in layers} != kernels:
        raise ValueError("the network is not the chain of those products")
    return ChainSteps(spec, layers)


def _dense(spec: RunSpec) -> Steps:
    """The dense steps that are fastest; all have the same bits."""
    from lth.kernels.chain import chain_of
    from lth.training.dense_chain_steps import DenseChainSteps

    plain = spec.plan.precision == "float32" and not spec.plan.compile
    plain = plain and spec.data.task.is_plain and is_plain(spec.model)
    plain = plain and isinstance(spec.data.train.images, Tensor) and spec.data.train.images.is_floating_point()
    layers = chain_of(spec.model, spec.data.train.images[:2]) if plain else []
    return DenseChainSteps(spec, layers) if layers else DenseSteps(spec)


def _part(kernels: Mapping[str, str]) -> str:
    """What of `lth.kernels.ready.PARTS` the products need."""
    return "chains" if CHAIN in kernels.values() else "layers"


def _problem(spec: RunSpec, part: str) -> str | None:
    """Why nothing of `spec` can be sparse on this machine."""
    images = spec.data.train.images
    if not isinstance(images, Tensor):
        return "sparse products need one tensor of inputs, the data has several"
    if images.device.type != "cpu" or (images.dtype != torch.float32 and part == "chains"):
        return f"sparse products need float32 on the CPU, the data is {images.dtype} on {images.device.type}"
    return ready(part)


@cache
def _say_once(problem: str) -> None:
    log.warning("all products are dense: %s", problem)


def _chain(spec: RunSpec) -> Kernels:
    """The chain that the network is; empty where it is none, or has labels that are none of its classes."""
    from lth.kernels.chain import chain_of

    train = spec.data.train
    if not train.task.is_plain or not isinstance(train.images, Tensor) or train.images.dtype != torch.float32:
        return {}
    layers = chain_of(spec.model, train.images[:2])
    if not layers or not spec.mask.keys() <= {layer.weight for layer in layers}:  # such as a mask of a bias
        return {}
    classes = len(dict(spec.model.named_parameters())[layers[-1].weight])
    fits = bool(train.labels.min() >= 0) and bool(train.labels.max() < classes)
    return {layer.weight: CHAIN for layer in layers} if fits and train.images.is_contiguous() else {}


def _all_layers(spec: RunSpec) -> Kernels:
    """The pruned layers that can be sparse; SettingError where none can."""
    from lth.kernels.trials import eligible

    masks = {name: mask for name, mask in spec.mask.items() if spec.update or not mask.all()}
    reasons = eligible(spec.model, masks, spec.data.train.images[:4])
    if all(reasons.values()):
        name = next(iter(reasons))
        raise SettingError("recipe.kernels", "sparse", f"no layer can have sparse products: {name} {reasons[name]}")
    return {name: SPARSE for name, reason in reasons.items() if not reason}


def _faster_layers(spec: RunSpec) -> Kernels:
    """The layers that are faster with sparse products, as measured on the first batch."""
    from lth.kernels.choice import fastest

    masks = {name: mask.cpu() for name, mask in spec.mask.items()}
    choices = fastest(spec.model, masks, spec.data.train.images[: spec.plan.batch_size])
    return {name: SPARSE for name, choice in choices.items() if choice == SPARSE}


_timed: dict[Any, bool] = {}
"""What was timed -> whether the chain is faster; trainings alike, as those of other seeds, are not timed again."""


def _chain_is_faster(spec: RunSpec, chain: Kernels) -> bool:
    """Whether iterations as a chain are faster here; the model has its first weights again afterwards."""
    shapes = tuple(tuple(mask.shape) for mask in spec.mask.values())
    counts = tuple(f"{count:.1e}" for count in kept(spec.mask).values())
    key = (shapes, counts, spec.plan.batch_size, spec.plan.optimizer, torch.get_num_threads())
    if key not in _timed:
        large = sum(mask.numel() for mask in spec.mask.values()) >= LARGE
        groups: list[list[Kernels]] = [[{}], [chain]] if large else [[{}, chain]]
        dense, sparse = (seconds for group in groups for seconds in _shortest(spec, group))
        load(spec.model, spec.initial_state, spec.mask)
        _timed[key] = sparse < dense
    return _timed[key]


def _shortest(spec: RunSpec, kinds: list[Kernels]) -> list[float]:
    """The seconds of the shortest iteration with each of `kinds` of products, measured in turns."""
    ways = [steps_of(spec, kernels) for kernels in kinds]
    examples, total = torch.arange(spec.plan.batch_size)[None], torch.zeros(())
    calls = {str(way): partial(steps.step, spec.plan.start, examples, total) for way, steps in enumerate(ways)}
    seconds = list(interleaved(calls).values())
    for steps in ways:
        steps.free()
    return seconds
