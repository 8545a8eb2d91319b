"""Steps in which chosen layers use their kept weights alone, in torch's autograd, and the optimiser too."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from lth.core.trees import call
from lth.core.weights import Mask
from lth.kernels.weights import SparseWeights
from lth.training.prepared import PreparedStep
from lth.training.run_spec import RunSpec
from lth.training.steps import DenseSteps


class LayerSteps(DenseSteps):
    """The layers with the weights `names` are sparse; those weights of the model are up to date after `give` alone.

    The optimiser has their kept weights in the place of the parameters, in the same order.
    """

    def __init__(self, spec: RunSpec, names: Iterable[str]) -> None:
        self.weights = SparseWeights(spec.model, {name: spec.mask[name] for name in names})
        super().__init__(spec, self.weights.values)
        self.by_channel = False  # sparse layers have the batch innermost

    def pass_through(self, images: Any, labels: Any) -> Tensor:
        with self.weights:
            return super().pass_through(images, labels)

    def outputs(self, images: Any) -> Any:  # type: ignore[override]
        with self.weights:
            return call(self.model, images)

    def give(self) -> None:
        self.weights.give()

    def take(self) -> None:
        self.weights.take()

    def change(self, mask: Mask) -> None:
        super().change(mask)
        for name, moved in self.weights.change({name: mask[name] for name in self.values}).items():
            state = self.optimizer.state.get(self.values[name], {})
            for key, value in state.items():
                if isinstance(value, Tensor) and value.ndim == 1:
                    state[key] = moved.applied(value)
        self.update = PreparedStep(self.optimizer)
        self.give()
