"""How a training takes its steps: densely, by the layers and the autograd of torch."""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from lth.core.weights import Mask
from lth.data.tensors import flip_crop
from lth.training.layout import by_channel, is_by_channel
from lth.training.masking import Masking
from lth.training.optimizer import make_optimizer
from lth.training.prepared import PreparedStep
from lth.training.run_spec import RunSpec


class Steps(Protocol):
    """One way to take the steps of a training of `spec`, whose model holds its present weights.

    optimizer: holds the state of the optimiser, which a checkpoint keeps.
    """

    optimizer: torch.optim.Optimizer

    def step(self, iteration: int, examples: Tensor) -> Tensor:
        """Trains on `examples`, indices int64 (N,) of the training split; the mean loss of the batch before the step.

        The result has no gradient graph. `iteration` steps have been taken before.
        """
        ...

    def outputs(self, images: Tensor) -> Tensor:
        """The outputs (N, classes) of the network in its present mode for `images` (N, ...)."""
        ...

    def give(self) -> None:
        """Brings the weights of the model up to date, pruned ones exactly zero."""
        ...

    def take(self) -> None:
        """Goes on from the weights of the model."""
        ...

    def hold(self, mask: Mask) -> None:
        """Trains under `mask` from now on; weights and optimiser state are already masked by it."""
        ...

    def change(self, mask: Mask) -> None:
        """Changes to `mask`: pruned and grown weights become zero, their optimiser state too."""
        ...


class DenseSteps:
    """Every product is dense; gradients are masked before the optimiser sees them."""

    def __init__(self, spec: RunSpec) -> None:
        self.model, self.data, self.plan, self.seeds = spec.model, spec.data, spec.plan, spec.seeds
        self.parameters = list(self.model.parameters())
        self.optimizer = make_optimizer(self.model, spec.plan)
        self.update = PreparedStep(self.optimizer)
        self.masking = Masking(self.model, spec.mask, self.optimizer)
        self.hold, self.change = self.masking.hold, self.masking.change
        self.by_channel = is_by_channel(self.model, self.data.shape)
        self.rate_varies = spec.plan.schedule != "constant" or spec.plan.warmup > 0

    def step(self, iteration: int, examples: Tensor) -> Tensor:
        split = self.data.train
        images, labels = split.images.index_select(0, examples), split.labels.index_select(0, examples)
        if self.rate_varies:
            for group in self.optimizer.param_groups:
                group["lr"] = self.plan.rate(iteration)
        if self.data.augment == "flip_crop":
            images = flip_crop(images, self.seeds.augment, iteration)
        if self.by_channel:
            images = by_channel(images)
        loss = functional.cross_entropy(self.model(images), labels)
        for parameter in self.parameters:
            parameter.grad = None
        loss.backward()
        self.masking.gradients()
        self.update()
        return loss.detach()

    def outputs(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.model(images)
        return outputs

    def give(self) -> None:
        pass

    def take(self) -> None:
        pass
