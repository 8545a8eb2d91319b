"""Children: trainings from one network that differ in the order of examples and in augmentation alone."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations

import torch
from torch import Tensor

from lth.core.errors import LotteryError, SettingError
from lth.core.rng import address
from lth.core.weights import digest
from lth.data.batches import batches, flip_crop
from lth.data.tensors import Data
from lth.training.run_spec import RunSpec


def child(spec: RunSpec, number: int) -> RunSpec:
    """Child `number` of the network that `spec` trains, from its weights under its mask.

    Order and augmentation are those of the address (seed, "child", number), whatever the rewind point, the level and
    the arm: so the children of two networks meet the same noise, and none meets that of the search.
    """
    seeds = spec.seeds
    order, augment = (address(seed, "child", number) for seed in (seeds.order, seeds.augment))
    return replace(spec, seeds=replace(seeds, order=order, augment=augment))


def children(spec: RunSpec, count: int) -> list[RunSpec]:
    """The first `count` children of the network that `spec` trains. Raises as `check_children` does."""
    specs = [child(spec, number) for number in range(count)]
    check_children([spec, *specs])
    return specs


def check_children(specs: Sequence[RunSpec]) -> None:
    """Checks that trainings start from the same bits, and that no two meet the examples in the same order.

    And that no two augment them alike, where they are augmented. Raises SettingError where every step takes all
    examples as they are, so that all trainings would be one, and LotteryError for what else they have in common.
    """
    starts = {(digest(spec.initial_state), digest(spec.mask), spec.plan) for spec in specs}
    if len(starts) > 1:
        raise LotteryError("children start from different weights, masks or iterations: what parts them is no noise")
    check_noise(specs[0].data, specs[0].plan.batch_size)
    _check_differ(specs, order_of, "meet the training examples in the same order")
    if specs[0].data.augment != "none":
        _check_differ(specs, augmentation_of, "augment the training examples alike")


def check_noise(data: Data, batch_size: int) -> None:
    """Raises SettingError where every step takes all examples as they are: then there is no noise of SGD."""
    if batch_size >= len(data.train) and data.augment == "none":
        problem = "takes all training examples in every step, so that all children would be equal: take fewer"
        raise SettingError("recipe.batch_size", batch_size, f"{problem}, or augment the data")


def _check_differ(specs: Sequence[RunSpec], noise: Callable[[RunSpec], Tensor], what: str) -> None:
    for one, other in combinations(map(noise, specs), 2):
        if torch.equal(one, other):
            raise LotteryError(f"two children {what}: their instability would say nothing of the noise of SGD")


def order_of(spec: RunSpec) -> Tensor:
    """The examples int64 (steps, batch) that the steps of up to one epoch take, from the first on."""
    plan, train = spec.plan, spec.data.train
    stop = min(plan.stop, plan.start + max(1, len(train) // plan.batch_size))
    every = batches(train, plan.batch_size, spec.seeds.order, plan.start, stop)
    return torch.cat([examples for _, examples in every])


def augmentation_of(spec: RunSpec) -> Tensor:
    """What augmentation makes of images whose pixels are all different, in the first step."""
    side = 16
    images = torch.arange(1.0, side * side + 1).view(1, 1, side, side).expand(spec.plan.batch_size, 1, side, side)
    return flip_crop(images, spec.seeds.augment, spec.plan.start)
