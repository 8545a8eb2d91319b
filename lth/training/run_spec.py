"""A training to be done, as data, and what may observe it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from torch import nn

from lth.core.seeds import Seeds
from lth.core.side_state import SideState
from lth.core.tables import Column
from lth.core.weights import Mask, State
from lth.data.tensors import Data
from lth.pruning.updates import MaskUpdate
from lth.training.custom_loop import CustomLoop
from lth.training.recipe import Plan


@dataclass(frozen=True)
class RunSpec:
    """A training to be done: which network, from which weights, under which mask, on which data, how, by which seeds.

    `initial_state` is a complete state dict (pruned positions and buffers too); it is masked when the training starts.
    An empty mask is a dense network. `model` gives the architecture and is trained in place; its current weights do not
    matter. With an `update` the mask is the initial one: the layers that it names change.

    loop: the user's own loop that trains it, where lth's does not; `plan` then says where it starts, and for the
    training up to the rewind point where it stops. level, arm: where in a search the training stands, which such a loop
    may ask for.

    side: what the model keeps beside its state dict, such as a counter of steps: as it is when the first spec of the
    model is made, and for specs that `dataclasses.replace` makes of it the same.
    """

    model: nn.Module
    initial_state: State
    mask: Mask
    data: Data
    plan: Plan
    seeds: Seeds
    update: MaskUpdate | None = None
    loop: CustomLoop | None = None
    level: int = field(default=0, compare=False)
    arm: str = field(default="ticket", compare=False)
    side: SideState = field(default=None, repr=False, compare=False)  # type: ignore[assignment]  # made of the model

    def __post_init__(self) -> None:
        if self.side is None or self.side.model is not self.model:
            object.__setattr__(self, "side", SideState(self.model))


class Observer(Protocol):
    """Measures a network at the start and the end of its training and every `every` iterations (0: not in between).

    It changes nothing. key: its name with its arguments; observations are kept under it. columns: name in its
    observations -> the column of curves.csv that they fill; results.csv has the first and last value as
    `<column>_init` and `<column>_end`. Where `total` is such a name, layers.csv has the same of each layer: the values
    that observations hold by parameter.

    The spec that it is given has the present mask. An observer whose attribute `before_updates` is true also measures
    right before and after each change of the mask, whatever `every` is; names of values from before begin `before/`.
    """

    key: str
    every: int

    @property
    def columns(self) -> Mapping[str, Column]:
        """Name in its observations -> column."""
        ...

    def __call__(self, model: nn.Module, spec: RunSpec) -> dict[str, float]:
        """The observation: name -> value."""
        ...


Progress = Callable[[int], None]
"""Called with the number of iterations done."""
