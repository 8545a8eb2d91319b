"""The one training loop. Masks are data: weights start masked, and gradients are masked before every step.

So momentum and weight decay of a pruned weight stay exactly zero with any optimiser of torch, and any `nn.Module` can
be trained: nothing is wrapped, renamed or hooked. A mask that changes does so right after a step, before anyone looks.
"""

import math
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import torch
from torch.nn import functional

from lth.core.errors import SettingError
from lth.core.rng import address
from lth.core.weights import clone, load, on_cpu
from lth.data.tensors import batches, flip_crop
from lth.pruning.updates import MaskUpdate, Moment
from lth.training.checkpoint import Checkpoint, Snapshot, optimizer_tensors, restore_optimizer
from lth.training.evaluate import evaluate
from lth.training.gradient import dense_gradient
from lth.training.job import Job, Observer, Progress
from lth.training.masking import Masking, check_fit
from lth.training.optimizer import make_optimizer
from lth.training.trace import Point, Trace, trace_from

PROGRESS_EVERY = 25


def train(
    job: Job,
    observers: Sequence[Observer] = (),
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
    keep_at: Collection[int] = (),
) -> Trace:
    """The trace of training `job`, on the device that its data lie on; `job.model` ends with the final weights.

    The trace also keeps the weights after the iterations `keep_at`, with their masks where those change. The same job
    gives the same bits on one machine, torch version, device and thread count, whether or not it was broken off and
    resumed from `checkpoint` (on a GPU, once `lth.core.machine.prepare` has asked for such kernels). A loss that is NaN
    or infinite ends the training: its status is then `diverged`. Raises LotteryError for a mask that does not fit the
    model, SettingError for an update or an iteration to keep that does not fit the plan.
    """
    _check(job, keep_at)
    with _determined(job):
        run = _Run(job, observers, keep_at)
        snapshot = checkpoint.read() if checkpoint else None
        iteration = run.restore(snapshot) if snapshot else run.begin()
        steps = run.steps(iteration)
        while run.trace.status == "done" and iteration < job.plan.stop:
            iteration = next(steps)
            if job.update and job.update.due(iteration) and iteration < job.plan.total:
                run.update(iteration, job.update)
            if job.plan.evaluates(iteration):
                run.evaluate(iteration)
            run.keep(iteration)
            run.observe(iteration)
            if progress and (iteration % PROGRESS_EVERY == 0 or iteration == job.plan.stop):
                progress(iteration)
            if checkpoint and iteration < job.plan.stop and checkpoint.due():
                checkpoint.write(run.snapshot(iteration))
        return run.end()


def _check(job: Job, keep_at: Collection[int]) -> None:
    check_fit(job.model, job.mask)
    if job.update:
        job.update.check(job.mask, job.plan.start, job.plan.total)
    for iteration in keep_at:
        if not job.plan.start <= iteration <= job.plan.stop:
            problem = f"lies outside a training of the iterations {job.plan.start} to {job.plan.stop}"
            raise SettingError("keep_at", iteration, problem)


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


class _Run:
    """The mutable inside of one training: model, optimiser, and the trace as it grows."""

    def __init__(self, job: Job, observers: Sequence[Observer], keep_at: Collection[int]) -> None:
        self.job = replace(job, mask=on_cpu(job.mask)) if job.update else job  # its mask is always the present one
        self.observers, self.keep_at = observers, set(keep_at)
        self.device = job.data.train.labels.device
        self.model = job.model.to(self.device)
        self.trace = Trace(job.plan.start, job.plan.stop)
        self.loss = torch.zeros((), device=self.device)  # summed over the batches since the last evaluation
        self.batches = 0
        self.began = time.perf_counter()
        load(self.model, job.start, job.mask)
        self.model.train()
        self.optimizer = make_optimizer(self.model, job.plan)
        self.masking = Masking(self.model, self.job.mask, self.optimizer)
        self.before: dict[str, dict[str, float]] = {}  # what was seen before the mask changed, by observer

    def begin(self) -> int:
        """Evaluates, keeps and observes the untrained network; the first iteration."""
        self.evaluate(self.job.plan.start)
        self.keep(self.job.plan.start)
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
            self.masking.gradients()
            optimizer.step()
            self.loss += loss.detach()
            self.batches += 1
            yield iteration + 1

    def _global_generator(self) -> torch.Generator:
        if self.device.type == "cuda":
            return torch.cuda.default_generators[self.device.index or 0]
        return torch.default_generator

    def update(self, iteration: int, update: MaskUpdate) -> None:
        """Changes the mask, and with it the job that observers see."""
        looking = [observer for observer in self.observers if getattr(observer, "before_updates", False)]
        self.before = {observer.key: observer(self.model, self.job) for observer in looking}
        plan, weights = self.job.plan, dict(self.model.named_parameters())
        masked = on_cpu({name: weights[name] for name in self.job.mask})
        rate = plan.rate(iteration) / plan.lr
        gradient = partial(dense_gradient, self.model, self.job.data.train, self.job.mask)
        moment = Moment(iteration, self.job.mask, masked, rate, self.job.seeds.mask, gradient)
        self.job = replace(self.job, mask=update.mask(moment))
        self.masking.change(self.job.mask)

    def keep(self, iteration: int) -> None:
        """Keeps the weights where they were asked for; those of the end are kept anyway."""
        if iteration in self.keep_at and iteration < self.job.plan.stop and self.trace.status == "done":
            self._keep(f"at_{iteration}")

    def _keep(self, kind: str) -> None:
        self.trace.states[kind] = clone(self.model.state_dict())
        if self.job.update:
            self.trace.states[f"{kind}_mask"] = clone(self.job.mask)

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
            self._keep("early_stop")
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
            before = self.before.pop(observer.key, {})
            if before or iteration in ends or (observer.every and iteration % observer.every == 0):
                seen = {f"before/{name}": value for name, value in before.items()} | observer(self.model, self.job)
                self.trace.observed.setdefault(observer.key, []).append((iteration, seen))

    def snapshot(self, iteration: int) -> Snapshot:
        """All that `restore` needs."""
        spent = self.trace.seconds + time.perf_counter() - self.began
        records = self.trace.records() | {"seconds": spent, "batches": self.batches}
        states = {**self.trace.states, "model": self.model.state_dict(), "sums": {"loss": self.loss}}
        if self.job.update:
            states["mask"] = self.job.mask
        return Snapshot(iteration, states, optimizer_tensors(self.optimizer), records)

    def restore(self, snapshot: Snapshot) -> int:
        """Goes back to `snapshot`; the iteration it was taken at."""
        states = {name: {key: x.to(self.device) for key, x in state.items()} for name, state in snapshot.states.items()}
        load(self.model, states.pop("model"))
        self.loss.copy_(states.pop("sums")["loss"])
        restore_optimizer(self.optimizer, snapshot.optimizer)
        if self.job.update:
            self.job = replace(self.job, mask=on_cpu(states.pop("mask")))
            self.masking.hold(self.job.mask)
        self.batches = snapshot.records.pop("batches")
        self.trace = trace_from(snapshot.records, states)
        return snapshot.iteration

    def end(self) -> Trace:
        """The finished trace, with the final weights and the accuracy on the training split."""
        if self.trace.status == "done":
            if all(bool(parameter.isfinite().all()) for parameter in self.model.parameters()):
                self.trace.train_accuracy = evaluate(self.model, self.job.data.train).accuracy
                self._keep("final")
            else:  # the last step alone broke them: no batch has seen it
                self.trace.status, self.trace.message = "diverged", "a weight became NaN or infinite at the end"
        if self.job.update:  # of a diverged training too: how far it came
            self.trace.states["final_mask"] = clone(self.job.mask)
        self.trace.seconds += time.perf_counter() - self.began
        return self.trace
