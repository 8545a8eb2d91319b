"""A training to be done, as data, and who may look on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import nn

from lth.core.rng import Seeds
from lth.core.weights import Mask, State
from lth.data.tensors import Data
from lth.pruning.updates import MaskUpdate
from lth.training.recipe import Plan


@dataclass(frozen=True)
class RunSpec:
    """A training to be done: which network, from which weights, under which mask, on what, how, by which seeds.

    `initial_state` is a complete state dict (pruned positions and buffers too); it is masked when the training starts.
    An empty mask is a dense network. `model` gives the architecture and is trained in place; its current weights do not
    matter. With an `update` the mask is the initial one: the layers that it names change.
    """

    model: nn.Module
    initial_state: State
    mask: Mask
    data: Data
    plan: Plan
    seeds: Seeds
    update: MaskUpdate | None = None


class Observer(Protocol):
    """Looks at a network in training and changes nothing: at the start, every `every` iterations (0: not), at the end.

    `key` names it and its arguments: observations are kept under it. The spec that it sees has the present mask. One
    whose attribute `before_updates` is true also looks right before and after each change of the mask, whatever `every`
    says; what it saw before has `before/` in front of its names.
    """

    key: str
    every: int

    def __call__(self, model: nn.Module, spec: RunSpec) -> dict[str, float]:
        """What is seen, by name."""
        ...


Progress = Callable[[int], None]
"""Called with the number of iterations done."""
