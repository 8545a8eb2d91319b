"""The one training loop. Masks are data: weights start masked, and gradients are masked before every step.

So momentum and weight decay of a pruned weight stay exactly zero with any optimiser of torch, and any `nn.Module` can
be trained: nothing is wrapped, renamed or hooked.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from lth.core.rng import Seeds, address
from lth.core.weights import Mask, State, clone, load
from lth.data.tensors import Data, batches, flip_crop
from lth.training.checkpoint import Checkpoint, Snapshot, optimizer_tensors, restore_optimizer
from lth.training.evaluate import evaluate
from lth.training.recipe import Plan
from lth.training.trace import Point, Trace, trace_from

PROGRESS_EVERY = 25


@dataclass(frozen=True)
class Job:
    """A training to be done: which network, from which weights, under which mask, on what, how, by which seeds.

    `start` is a whole state (pruned positions and buffers too); masking happens when the training starts. An empty
    mask is a dense network. `model` gives the architecture and is worked on in place; its own weights do not matter.
    """

    model: nn.Module
    start: State
    mask: Mask
    data: Data
    plan: Plan
    seeds: Seeds


class Observer(Protocol):
    """Looks at a network in training and changes nothing: at the start, every `every` iterations (0: not), at the end.

    `key` names it and its arguments: observations are kept under it.
    """

    key: str
    every: int

    def __call__(self, model: nn.Module, job: Job) -> dict[str, float]:
        """What is seen, by name."""
        ...


Progress = Callable[[int], None]


def train(
    job: Job,
    observers: Sequence[Observer] = (),
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
) -> Trace:
    """The trace of training `job`, on the device that its data lie on; `job.model` ends with the final weights.

    The same job gives the same bits on one machine, torch version, device and thread count, whether or not it was
    broken off and resumed from `checkpoint` (on a GPU, once `lth.core.machine.prepare` has asked for such kernels). A
    loss that is NaN or infinite ends the training: its status is then `diverged`.
    """
    with _determined(job):
        run = _Run(job, observers)
        snapshot = checkpoint.read() if checkpoint else None
        iteration = run.restore(snapshot) if snapshot else run.begin()
        steps = run.steps(iteration)
        while run.trace.status == "done" and iteration < job.plan.stop:
            iteration = next(steps)
            if job.plan.evaluates(iteration):
                run.evaluate(iteration)
            run.observe(iteration)
            if progress and (iteration % PROGRESS_EVERY == 0 or iteration == job.plan.stop):
                progress(iteration)
            if checkpoint and iteration < job.plan.stop and checkpoint.due():
                checkpoint.write(run.snapshot(iteration))
        return run.end()


@contextmanager
def _determined(job: Job) -> Iterator[None]:
    """Global generators as they were, afterwards; no denormal numbers, which slow a converged Adam down many times."""
    device = job.data.train.labels.device
    flushed = (torch.tensor([1e-40]) * 1).item() == 0  # there is no way to ask
    torch.set_flush_denormal(True)
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        torch.set_flush_denormal(flushed)


def make_optimizer(model: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    """The plan's optimiser, fused into one kernel; weight decay on tensors of two or more dimensions, or on all."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    everything = plan.decay == "all" or plan.weight_decay == 0  # one group steps faster than two
    decayed = [p for p in parameters if everything or p.ndim >= 2]
    others = [p for p in parameters if not everything and p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    if plan.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=plan.lr, momentum=plan.momentum, nesterov=plan.nesterov, fused=True)
    kind = torch.optim.AdamW if plan.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=plan.lr, fused=True)


class _Run:
    """The mutable inside of one training: model, optimiser, and the trace as it grows."""

    def __init__(self, job: Job, observers: Sequence[Observer]) -> None:
        self.job, self.observers = job, observers
        self.device = job.data.train.labels.device
        self.model = job.model.to(self.device)
        self.trace = Trace(job.plan.start, job.plan.stop)
        self.loss = torch.zeros((), device=self.device)  # summed over the batches since the last evaluation
        self.batches = 0
        self.began = time.perf_counter()
        load(self.model, job.start, job.mask)
        self.model.train()
        self.optimizer = make_optimizer(self.model, job.plan)
        parameters = dict(self.model.named_parameters())
        self.pruned = [  # a layer that is whole needs no mask: times one is the same bits
            (parameters[name], mask.to(self.device).float()) for name, mask in job.mask.items() if not mask.all()
        ]

    def begin(self) -> int:
        """Evaluates and observes the untrained network; the first iteration."""
        self.evaluate(self.job.plan.start)
        self.observe(self.job.plan.start)
        return self.job.plan.start

    def steps(self, first: int) -> Iterator[int]:
        """Trains from iteration `first`, giving the number of iterations done after each step."""
        job, plan, model, optimizer = self.job, self.job.plan, self.model, self.optimizer
        parameters = list(model.parameters())
        generator = self._global_generator()
        noise = address(job.seeds.order, "dropout")
        varies = plan.schedule != "constant" or plan.warmup > 0
        augment = job.data.augment == "flip_crop"
        for iteration, images, labels in batches(job.data.train, plan.batch_size, job.seeds.order, first, plan.stop):
            if varies:
                for group in optimizer.param_groups:
                    group["lr"] = plan.rate(iteration)
            if augment:
                images = flip_crop(images, job.seeds.augment, iteration)
            generator.manual_seed((noise + iteration) % 2**63)  # dropout by address: the same when resumed
            loss = functional.cross_entropy(model(images), labels)
            for parameter in parameters:
                parameter.grad = None
            loss.backward()
            self._mask_gradients()
            optimizer.step()
            self.loss += loss.detach()
            self.batches += 1
            yield iteration + 1

    def _mask_gradients(self) -> None:
        """After backward, so that neither momentum nor weight decay ever sees a pruned weight."""
        pairs = [(weight.grad, mask) for weight, mask in self.pruned if weight.grad is not None]
        if pairs:
            torch._foreach_mul_([gradient for gradient, _ in pairs], [mask for _, mask in pairs])

    def _global_generator(self) -> torch.Generator:
        if self.device.type == "cuda":
            return torch.cuda.default_generators[self.device.index or 0]
        return torch.default_generator

    def evaluate(self, iteration: int) -> None:
        """Adds a point to the curve; keeps the weights where the validation loss is the lowest so far."""
        began = time.perf_counter()
        data, plan, best = self.job.data, self.job.plan, self.trace.early_stop
        train_loss = self.loss.item() / self.batches if self.batches else None
        validation = evaluate(self.model, data.validation) if len(data.validation) else None
        finite = all(math.isfinite(x) for x in (train_loss or 0.0, validation.loss if validation else 0.0))
        improved = validation is not None and (best is None or validation.loss < (best.val_loss or 0.0))
        looks = finite and (improved or iteration == plan.stop or plan.test == "always")
        test = evaluate(self.model, data.test) if looks else None
        self.trace.points.append(
            Point(
                iteration,
                lr=plan.rate(min(iteration, plan.stop - 1)),
                train_loss=train_loss if finite else None,
                val_loss=validation.loss if validation and finite else None,
                val_accuracy=validation.accuracy if validation and finite else None,
                test_accuracy=test.accuracy if test else None,
            )
        )
        if improved and finite:
            self.trace.states["early_stop"] = clone(self.model.state_dict())
        if not finite:
            self.trace.status = "diverged"
            since = iteration - self.batches
            self.trace.message = f"the loss became NaN or infinite between iterations {since} and {iteration}"
        self.loss.zero_()
        self.batches = 0
        self.trace.evaluation_seconds += time.perf_counter() - began

    def observe(self, iteration: int) -> None:
        """Lets each observer that is due look at the network."""
        ends = (self.job.plan.start, self.job.plan.stop)
        if self.trace.status != "done":
            return
        for observer in self.observers:
            if iteration in ends or (observer.every and iteration % observer.every == 0):
                seen = observer(self.model, self.job)
                self.trace.observed.setdefault(observer.key, []).append((iteration, seen))

    def snapshot(self, iteration: int) -> Snapshot:
        """All that `restore` needs."""
        spent = self.trace.seconds + time.perf_counter() - self.began
        records = self.trace.records() | {"seconds": spent, "batches": self.batches}
        states = {**self.trace.states, "model": self.model.state_dict(), "sums": {"loss": self.loss}}
        return Snapshot(iteration, states, optimizer_tensors(self.optimizer), records)

    def restore(self, snapshot: Snapshot) -> int:
        """Goes back to `snapshot`; the iteration it was taken at."""
        states = {name: {key: x.to(self.device) for key, x in state.items()} for name, state in snapshot.states.items()}
        load(self.model, states.pop("model"))
        self.loss.copy_(states.pop("sums")["loss"])
        restore_optimizer(self.optimizer, snapshot.optimizer)
        self.batches = snapshot.records.pop("batches")
        self.trace = trace_from(snapshot.records, states)
        return snapshot.iteration

    def end(self) -> Trace:
        """The finished trace, with the final weights and the accuracy on the training split."""
        if self.trace.status == "done":
            if all(bool(parameter.isfinite().all()) for parameter in self.model.parameters()):
                self.trace.train_accuracy = evaluate(self.model, self.job.data.train).accuracy
                self.trace.states["final"] = clone(self.model.state_dict())
            else:  # the last step alone broke them: no batch has seen it
                self.trace.status, self.trace.message = "diverged", "a weight became NaN or infinite at the end"
        self.trace.seconds += time.perf_counter() - self.began
        return self.trace


def gradient_of(model: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """The gradient of the mean loss, by parameter name; `.grad` is left alone."""
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    loss = functional.cross_entropy(model(images), labels)
    gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    return {name: g for name, g in zip(parameters, gradients, strict=True) if g is not None}
