"""A training loop of a user's in two ways: through lth, which holds the mask and resumes it, and bare, without lth."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lth.core.keeping import copied
from lth.core.machine import describe
from lth.core.weights import load, masked
from lth.data.batches import batches
from lth.settings import StoreSettings
from lth.training.checkpoint import Checkpoint
from lth.training.custom_loop import CustomLoop
from lth.training.loop import train
from lth.training.recipe import open_plan
from lth.training.run_spec import RunSpec

from .blocks import Blocks, Hold, paced


def fit(run: Any, steps: int, batch_size: int, lr: float) -> dict[str, float]:
    """A loop of a user's, which lth calls."""
    split = run.data.train
    optimizer = run.attach(adam(run.model, lr))
    for step in run.steps(steps):
        batch = run.batch(step, len(split), batch_size)
        backward(run.model, optimizer, split.images[batch], split.labels[batch])
        optimizer.step()
    return {"test_loss": 0.0}


def adam(model: nn.Module, lr: float) -> torch.optim.Optimizer:
    """The fastest one that torch has, beside which all else weighs most."""
    return torch.optim.Adam(model.parameters(), lr, fused=True)


def backward(model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> None:
    """Leaves the gradient of a batch in the weights."""
    loss = functional.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()


def bare_steps(spec: RunSpec) -> Iterator[None]:
    """The loop `fit` without lth, an iteration at a time: gradients and weights are multiplied by their masks."""
    model, split, plan = copied(spec.model), spec.data.train, spec.plan
    load(model, masked(spec.initial_state, spec.mask))
    model.train()
    optimizer = adam(model, plan.lr)
    pairs: list[tuple[Any, Tensor]] = [(model.get_parameter(name), kept.float()) for name, kept in spec.mask.items()]
    for _, examples in batches(split, plan.batch_size, spec.seeds.order, plan.start, plan.stop):
        backward(model, optimizer, split.images[examples[0]], split.labels[examples[0]])
        for weight, kept in pairs:
            weight.grad.mul_(kept)
        optimizer.step()
        with torch.no_grad():
            for weight, kept in pairs:
                weight.mul_(kept)
        yield


def custom_spec(spec: RunSpec, steps: int) -> RunSpec:
    """The training `spec` by `fit`, of so many steps, with a network of its own."""
    loop = CustomLoop(fit, {"steps": steps, "batch_size": spec.plan.batch_size, "lr": spec.plan.lr})
    return replace(spec, model=copied(spec.model), plan=open_plan(), loop=loop)


@dataclass
class PacedCheckpoint(Checkpoint):
    """A checkpoint as searches have them; a loop asks it after every step, and is held after every block."""

    hold: Hold = lambda done: None
    iterations: int = 1
    _done: int = 0

    def due(self) -> bool:
        self._done += 1
        if self._done % self.iterations == 0:
            self.hold(self._done)
        return super().due()


def custom_blocks(spec: RunSpec, iterations: int) -> Blocks:
    """The blocks of `fit` through lth, with progress and checkpoints as in a search."""
    custom, machine = custom_spec(spec, spec.plan.stop), describe(spec.data.train.device)
    with tempfile.TemporaryDirectory() as folder:

        def training(hold: Hold) -> None:
            path, seconds = Path(folder) / "checkpoint.safetensors", StoreSettings().checkpoint_seconds
            checkpoint = PacedCheckpoint(path, seconds, machine, hold=hold, iterations=iterations)
            train(custom, checkpoint=checkpoint, progress=lambda done: None)

        yield from paced(training, iterations)
