"""How a training takes its steps: densely, by the layers and the autograd of torch."""

import logging
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from lth.core.errors import SettingError
from lth.core.machine import has_bfloat16, has_compiler
from lth.core.trees import call, first_tensor, tree_map
from lth.core.weights import Mask
from lth.data.batches import flip_crop
from lth.training.layout import by_channel, trains_by_channel
from lth.training.masking import Masking
from lth.training.noise import Noise
from lth.training.optimizer import make_optimizer, optimizer_tensors, restore_optimizer, set_rate
from lth.training.prepared import PreparedStep
from lth.training.run_spec import RunSpec

log = logging.getLogger(__name__)


class Steps(Protocol):
    """One way to take the steps of a training of `spec`, from the weights that its model has, under its mask.

    most: how many steps it takes at once, at most.
    """

    most: int

    @property
    def outputs(self) -> Callable[[Any], Any] | None:
        """Gives the outputs of the network in its mode for inputs (N, ...); None: a call of it does."""
        ...

    def step(self, iteration: int, examples: Tensor, total: Tensor) -> None:
        """Takes a step for each row of `examples`, indices int64 (steps, batch) of the training split.

        `iteration` steps have been taken before. The mean loss of each batch, as it is before its step, is added to
        `total`, float32, ().
        """
        ...

    def give(self) -> None:
        """Brings the weights of the model up to date, pruned ones exactly zero."""
        ...

    def take(self) -> None:
        """Goes on from the weights of the model, which are masked."""
        ...

    def change(self, mask: Mask) -> None:
        """Changes to `mask`, of the same layers: pruned and grown weights become zero, their optimiser state too.

        The weights of the model are up to date before and after.
        """
        ...

    def free(self) -> None:
        """Frees what only steps need, which no one takes any more."""
        ...

    def optimizer_state(self) -> dict[str, Tensor]:
        """The state of the optimiser, for a checkpoint."""
        ...

    def restore(self, optimizer_state: dict[str, Tensor]) -> None:
        """Goes on from an optimiser's state; ValueError where it is of another training."""
        ...


@cache
def _name_slow_bfloat16() -> None:
    """Says once where this processor has no arithmetic of bfloat16, so that torch emulates it."""
    if not has_bfloat16():
        log.warning(
            "recipe.precision=bfloat16: this processor emulates it, so that training takes several times longer"
        )


def chosen(tree: Any, batch: Tensor) -> Any:
    """The examples of inputs or targets at the indices `batch`."""
    if type(tree) is Tensor:
        return tree.index_select(0, batch)
    return tree_map(lambda tensor: tensor.index_select(0, batch), tree)


def _float32(outputs: Tensor) -> Tensor:
    return outputs.float() if outputs.is_floating_point() else outputs


def _through_compiler(model: nn.Module) -> Any:
    """`model` as torch.compile calls it; networks of one kind are compiled once in a process."""
    if not has_compiler():
        raise SettingError("recipe.compile", True, "needs a C++ compiler, g++ or the one that CXX names: install one")
    return torch.compile(model)


class DenseSteps:
    """Every product is dense; gradients are masked before the optimiser sees them."""

    outputs = None
    most = 1
    draws = True

    def __init__(self, spec: RunSpec, values: Mapping[str, Tensor] | None = None) -> None:
        """values: parameter's name -> its kept weights, which are trained in its place."""
        self.model, self.data, self.plan, self.seeds = spec.model, spec.data, spec.plan, spec.seeds
        self.noise = Noise(spec)
        self.values = values or {}
        self.parameters: list[Tensor] = list({**dict(self.model.named_parameters()), **self.values}.values())
        self.optimizer = make_optimizer(self.model, spec.plan, self.values)
        self.update = PreparedStep(self.optimizer)
        self.masking = Masking(self.model, self._dense(spec.mask), self.optimizer)
        self.by_channel = trains_by_channel(spec)
        self.network: Any = _through_compiler(self.model) if spec.plan.compile else self.model
        self.loss, self.inputs, self.targets = self.data.task.loss, self.data.train.images, self.data.train.labels
        if self.plan.precision == "bfloat16" and self.data.train.device.type == "cpu":
            _name_slow_bfloat16()
        self.rate_varies = spec.plan.schedule != "constant" or spec.plan.warmup > 0

    def _dense(self, mask: Mask) -> Mask:
        """`mask` of the layers that are trained as they are."""
        return {name: kept for name, kept in mask.items() if name not in self.values}

    def step(self, iteration: int, examples: Tensor, total: Tensor) -> None:
        for number, batch in enumerate(examples, start=iteration):
            self._step(number, batch, total)

    def _step(self, iteration: int, batch: Tensor, total: Tensor) -> None:
        images, labels = chosen(self.inputs, batch), chosen(self.targets, batch)
        if self.rate_varies:
            set_rate(self.optimizer, self.plan.rate(iteration))
        if self.data.augment == "flip_crop":
            images = flip_crop(images, self.seeds.augment, iteration)
        if self.by_channel:
            images = by_channel(images)
        if self.draws:
            self.noise.seed(iteration)
        loss = self.pass_through(images, labels)
        self.masking.gradients()
        self.update()
        total += loss.detach()

    def pass_through(self, images: Any, labels: Any) -> Tensor:
        """The mean loss of a batch; its gradient is in the parameters, and nothing else."""
        loss = self.loss(self._outputs(images), labels)
        for parameter in self.parameters:
            parameter.grad = None
        loss.backward()
        return loss

    def _outputs(self, images: Any) -> Any:
        """The outputs in training, float32, by the recipe's precision."""
        if self.plan.precision == "float32":
            return call(self.network, images)
        with torch.autocast(first_tensor(images).device.type, torch.bfloat16):
            return tree_map(_float32, call(self.network, images))

    def give(self) -> None:
        pass

    def take(self) -> None:
        pass

    def change(self, mask: Mask) -> None:
        self.masking.change(self._dense(mask))

    def free(self) -> None:
        self.optimizer.zero_grad()
        self.optimizer.state.clear()
        del self.update, self.masking

    def optimizer_state(self) -> dict[str, Tensor]:
        return optimizer_tensors(self.optimizer)

    def restore(self, optimizer_state: dict[str, Tensor]) -> None:
        restore_optimizer(self.optimizer, optimizer_state)
