"""The networks of one level, for probes that compare them: trained arms by draw, and the level's pruned solution."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Protocol

from torch import Tensor, nn

from lth.analysis.agreement import holding, logits_of
from lth.analysis.connectivity import batch_norm_on
from lth.core.weights import State, clone, digest, masked
from lth.data.tensors import Data
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec


class TrainedLevel(Protocol):
    """What is measured of a level: `lth.lottery.levels.Level` has it."""

    @property
    def index(self) -> int:
        """Its number; 0 is dense."""

    @property
    def spec(self) -> RunSpec:
        """The ticket's training: the level's mask and network."""

    @property
    def source(self) -> State | None:
        """The trained weights that the mask was scored on; None at level 0."""

    @property
    def density(self) -> float:
        """Kept / prunable weights, 0..1."""


class TrainedArm(Protocol):
    """What is measured of a trained arm: `lth.lottery.arms.Outcome` has it."""

    @property
    def level(self) -> TrainedLevel:
        """Its level."""

    @property
    def arm(self) -> str:
        """Its name."""

    @property
    def draw(self) -> int:
        """The number of its draw."""

    @property
    def spec(self) -> RunSpec:
        """What was trained."""

    @property
    def result(self) -> RunResult:
        """What came of it."""


class Network:
    """A network by its weights, pruned ones at zero.

    digest: a hash of all weights; as a part of a key it makes sure that no remembered value is used for other weights.
    """

    def __init__(self, state: State, predict: Callable[[State], Tensor]) -> None:
        self.state, self.digest, self._predict = state, digest(state), predict

    @cached_property
    def logits(self) -> Tensor:
        """Its logits on the test set (N, classes), computed once."""
        return self._predict(self.state)


class Peers:
    """The networks of one level that have the dense network's shapes.

    model: their architecture, on the device of the data. solution: the pruned solution of the level, None at level 0:
    the trained weights that its mask was scored on, pruned by it and not trained again. arms: arm -> draw -> network.
    """

    def __init__(self, trained: Sequence[TrainedArm], data: Data) -> None:
        level, self.data = trained[0].level, data
        self.model: nn.Module = level.spec.model.to(data.test.device)  # runs from the store were not moved there
        self.solution: Network | None = None
        if level.source is not None:
            self.solution = Network(masked(level.source, level.spec.mask), self._predict_after_pruning)
        self.arms: dict[str, dict[int, Network]] = {}
        for one in trained:
            if same_shapes(one):
                self.arms.setdefault(one.arm, {})[one.draw] = Network(one.result.final, self._predict)

    def _predict(self, state: State) -> Tensor:
        return logits_of(self.model, state, self.data.test)

    def _predict_after_pruning(self, state: State) -> Tensor:
        """BatchNorm's statistics were taken before pruning, so they are recomputed on the training split."""
        with holding(self.model, state), batch_norm_on(self.model, self.data.train):
            state = clone(self.model.state_dict())
        return self._predict(state)


def same_shapes(trained: TrainedArm) -> bool:
    """Whether an arm trained the level's network, not one of other shapes (`small_dense`)."""
    return trained.spec.model is trained.level.spec.model
