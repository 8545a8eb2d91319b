"""Steps of a plain chain of linear layers, a whole iteration in one compiled function on the kept weights alone."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from lth.core.weights import Mask
from lth.data.batches import flip_crop
from lth.kernels.chain import Chain, ChainLayer
from lth.training.dense_chain_steps import at_once
from lth.training.optimizer import optimizer_of, optimizer_tensors, restore_optimizer
from lth.training.run_spec import RunSpec

KINDS = {"adam": 0, "adamw": 1, "sgd": 2}
"""Optimiser -> its number in `lth.kernels.iteration`."""


class ChainSteps:
    """Trains the `layers` of a chain (`lth.kernels.chain.chain_of`); its model is up to date after `give` alone.

    The optimiser holds the state as torch's own does, of the kept weights and of the biases; its tensors share their
    memory with the chain, which takes the steps.
    """

    def __init__(self, spec: RunSpec, layers: list[ChainLayer]) -> None:
        self.data, self.plan, self.seeds, self.layers = spec.data, spec.plan, spec.seeds, layers
        parameters = dict(spec.model.named_parameters())
        self.weights = [parameters[layer.weight].detach() for layer in layers]
        self.biases = [parameters[layer.bias].detach() if layer.bias else None for layer in layers]
        self.images, self.labels = spec.data.train.images.flatten(1).numpy(), spec.data.train.labels.numpy()
        self.most = at_once(self.weights)
        decay = spec.plan.weight_decay
        self.decays = (decay, decay if spec.plan.decay == "all" else 0.0)
        self.count = 0
        self.change(spec.mask)

    def step(self, iteration: int, examples: Tensor, total: Tensor) -> None:
        plan, images, labels, indices = self.plan, self.images, self.labels, examples.numpy()
        if self.data.augment == "flip_crop":
            flat = examples.flatten()
            batches = self.data.train.images.index_select(0, flat).split(plan.batch_size)
            augmented = [flip_crop(x, self.seeds.augment, iteration + step) for step, x in enumerate(batches)]
            images, labels = torch.cat(augmented).flatten(1).numpy(), labels[flat.numpy()]
            indices = np.arange(len(flat)).reshape(examples.shape)
        rates = np.array([plan.rate(iteration + step) for step in range(len(examples))], np.float64)
        how = (KINDS[plan.optimizer], plan.momentum, plan.nesterov, *self.decays, *plan.betas)
        self.chain.iterate(total, images, labels, indices, rates, self.count, how)
        self.count += len(examples)

    def outputs(self, images: Tensor) -> Tensor:
        return self.chain.outputs(images.flatten(1))

    def give(self) -> None:
        parts = self.chain.weights[: self.chain.kept].split(self.counts)
        for weight, mask, part in zip(self.weights, self.masks, parts, strict=True):
            weight.masked_scatter_(mask, part)
        for bias, part in self._with_biases():
            bias.copy_(part)

    def take(self) -> None:
        parts = [weight[mask] for weight, mask in zip(self.weights, self.masks, strict=True)]
        torch.cat(parts, out=self.chain.weights[: self.chain.kept])
        for bias, part in self._with_biases():
            part.copy_(bias)

    def _with_biases(self) -> list[tuple[Tensor, Tensor]]:
        parts = self.chain.weights[self.chain.kept :].split([len(weight) for weight in self.weights])
        return [(bias, part) for bias, part in zip(self.biases, parts, strict=True) if bias is not None]

    def change(self, mask: Mask) -> None:
        masks = [
            mask[layer.weight].cpu() if layer.weight in mask else torch.ones_like(weight, dtype=torch.bool)
            for layer, weight in zip(self.layers, self.weights, strict=True)
        ]
        before = self._dense_moments() if self.count else []
        self.masks, self.counts = masks, [int(kept.sum()) for kept in masks]
        self.chain = Chain(masks, [bias is not None for bias in self.biases], self.plan.batch_size)
        for weight, kept in zip(self.weights, masks, strict=True):
            weight.masked_fill_(~kept, 0)
        self.take()
        for moment, (weights, biases) in zip((self.chain.first, self.chain.second), before, strict=False):
            parts = [weight[kept] for weight, kept in zip(weights, masks, strict=True)]
            moment.copy_(torch.cat([*parts, biases]))
        self._make_optimizer()

    def _dense_moments(self) -> list[tuple[list[Tensor], Tensor]]:
        """Each moment of all weights, pruned ones zero, and of the biases."""
        moments = []
        for moment in (self.chain.first, self.chain.second):
            dense = [torch.zeros_like(weight) for weight in self.weights]
            parts = moment[: self.chain.kept].split(self.counts)
            for weight, mask, part in zip(dense, self.masks, parts, strict=True):
                weight.masked_scatter_(mask, part)
            moments.append((dense, moment[self.chain.kept :]))
        return moments

    def _make_optimizer(self) -> None:
        kept = self.chain.kept
        parameters = [nn.Parameter(part) for part in (self.chain.weights[:kept], self.chain.weights[kept:])]
        self.optimizer = optimizer_of(parameters[:1], parameters[1:], self.plan)
        ends = [slice(0, kept), slice(kept, None)]
        for parameter, part in zip(parameters, ends, strict=True):
            if self.plan.optimizer != "sgd":
                moments = {"exp_avg": self.chain.first[part], "exp_avg_sq": self.chain.second[part]}
                self.optimizer.state[parameter] = {"step": torch.tensor(float(self.count)), **moments}
            elif self.plan.momentum:
                self.optimizer.state[parameter] = {"momentum_buffer": self.chain.first[part]}

    def free(self) -> None:
        pass  # the weights are used on, the rest is small

    def optimizer_state(self) -> dict[str, Tensor]:
        for state in self.optimizer.state.values():
            if "step" in state:
                state["step"].fill_(self.count)
        return optimizer_tensors(self.optimizer)

    def restore(self, optimizer_state: Mapping[str, Tensor]) -> None:
        restore_optimizer(self.optimizer, optimizer_state)
        states = list(self.optimizer.state.values())
        for moment, keys in ((self.chain.first, ("exp_avg", "momentum_buffer")), (self.chain.second, ("exp_avg_sq",))):
            parts = [state[key] for state in states for key in keys if key in state]
            if parts:
                moment.copy_(torch.cat(parts))
        self.count = max((int(state["step"]) for state in states if "step" in state), default=1)
        self._make_optimizer()
