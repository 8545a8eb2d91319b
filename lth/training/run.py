"""One training under way: its network, its steps, and what it has measured and kept so far."""

import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch

from lth.core.bits import pack
from lth.core.keeping import kept
from lth.core.machine import describe
from lth.core.weights import State, clone, is_finite, load, mapped, on_cpu, with_beside
from lth.data.batches import batches
from lth.data.tensors import Split
from lth.pruning.updates import MaskUpdate, UpdateContext
from lth.training.checkpoint import Checkpoint, Snapshot, check_snapshot
from lth.training.evaluate import Score, evaluate
from lth.training.gradient import dense_gradient
from lth.training.kernels import choose, steps_of
from lth.training.noise import Noise
from lth.training.records import CORRECT
from lth.training.run_result import Point, RunResult, result_from
from lth.training.run_spec import Observer, RunSpec

PROGRESS_EVERY = 25
"""Iterations between two calls of `progress`."""


class Run:
    """The mutable state of one training: model, optimiser, and the result so far."""

    def __init__(self, spec: RunSpec, observers: Sequence[Observer], keep_at: Collection[int]) -> None:
        self.spec = replace(spec, mask=on_cpu(spec.mask)) if spec.update else spec  # with the present mask
        self.observers, self.keep_at = observers, set(keep_at)
        self.device = spec.data.train.device
        self.model = spec.model
        columns = {x.key: {name: column.name for name, column in x.columns.items()} for x in observers}
        self.measures = spec.data.task.measures
        self.result = RunResult(spec.plan.start, spec.plan.stop, columns=columns, measures=self.measures)
        self.loss = torch.zeros((), device=self.device)  # summed over the batches since the last evaluation
        self.batches = 0
        self.began = time.perf_counter()
        load(self.model, spec.initial_state, spec.mask)
        self.model.train()
        self.before: dict[str, dict[str, float]] = {}  # observer -> observation right before the mask changed

    def begin(self, kernels: Mapping[str, str] | None) -> int:
        """Evaluates, keeps and observes the untrained network; the iteration that training starts at."""
        self.result.kernels = choose(self.spec, kernels)
        self.take_steps()
        Noise(self.spec).seed(self.spec.plan.start)
        self.evaluate(self.spec.plan.start)
        self.keep(self.spec.plan.start)
        self.observe(self.spec.plan.start)
        return self.spec.plan.start

    def take_steps(self) -> None:
        """Trains with the products of the result from now on; what chose and compiled them is not timed."""
        self.steps = steps_of(self.spec, self.result.kernels)
        self.began = time.perf_counter()

    def iterations(self, first: int) -> Iterator[int]:
        """Trains from iteration `first`; yields the number of iterations done whenever something may be due."""
        plan, train, seed = self.spec.plan, self.spec.data.train, self.spec.seeds.order
        for iteration, examples in batches(train, plan.batch_size, seed, first, plan.stop, self.until):
            self.steps.step(iteration, examples, self.loss)
            self.batches += len(examples)
            yield iteration + len(examples)

    def until(self, iteration: int) -> int:
        """The iteration after `iteration` up to which steps are taken at once."""
        if self.steps.most == 1:
            return iteration + 1
        every = [PROGRESS_EVERY, self.spec.plan.evaluate_every, *(x.every for x in self.observers if x.every)]
        ends = [(iteration // n + 1) * n for n in every] + [n for n in self.keep_at if n > iteration]
        last = min(*ends, iteration + self.steps.most)
        update = self.spec.update
        return next((n for n in range(iteration + 1, last) if update.due(n)), last) if update else last

    def update(self, iteration: int, update: MaskUpdate) -> None:
        """Changes the mask, also in the spec that observers get."""
        self.steps.give()
        observers = [observer for observer in self.observers if getattr(observer, "before_updates", False)]
        self.before = {observer.key: self._observed(observer) for observer in observers}
        plan, weights = self.spec.plan, dict(self.model.named_parameters())
        masked = on_cpu({name: weights[name] for name in self.spec.mask})
        rate = plan.rate(iteration) / plan.lr
        gradient = partial(dense_gradient, self.model, self.spec.data.train, self.spec.mask)
        context = UpdateContext(iteration, self.spec.mask, masked, rate, self.spec.seeds.mask, gradient, plan.total)
        with kept(self.model):
            self.spec = replace(self.spec, mask=update.mask(context))
        self.steps.change(self.spec.mask)

    def keep(self, iteration: int) -> None:
        """Keeps the weights after an iteration of `keep_at`; the final ones are kept anyway."""
        if iteration in self.keep_at and iteration < self.spec.plan.stop and self.result.status == "done":
            self._keep(f"at_{iteration}")

    @property
    def state(self) -> State:
        """The present weights and buffers, with what the network keeps beside them where training has changed it."""
        self.steps.give()
        return with_beside(self.model.state_dict(), self.spec.side.packed())

    def _score(self, split: Split) -> Score:
        with kept(self.model):
            return evaluate(self.model, split, self.steps.outputs)

    def _observed(self, observer: Observer) -> dict[str, float]:
        self.steps.give()
        with kept(self.model):
            return observer(self.model, self.spec)

    def _keep(self, kind: str) -> None:
        self.result.states[kind] = {}  # so that there are never two copies of one kind
        self.result.states[kind] = clone(self.state)
        if self.spec.update:
            self.result.states[f"{kind}_mask"] = clone(self.spec.mask)

    def evaluate(self, iteration: int) -> None:
        """Adds a point to the curve; keeps the weights if what decides is the best so far on the validation split."""
        began = time.perf_counter()
        data, plan = self.spec.data, self.spec.plan
        train_loss = self.loss.item() / self.batches if self.batches else None
        validation = self._score(data.validation) if len(data.validation) else None
        finite = all(math.isfinite(x) for x in (train_loss or 0.0, validation.loss if validation else 0.0))
        improved = finite and validation is not None and self._is_better(validation)
        if improved:
            self._keep("early_stop")
        at_once = plan.test == "improved" or not self.spec.side.complete  # else the kept weights are measured later
        tested = finite and (iteration == plan.stop or plan.test == "always" or (improved and at_once))
        test = self._score(data.test) if tested else None
        self.result.points.append(
            Point(
                iteration,
                lr=plan.rate(min(iteration, plan.stop - 1)),
                train_loss=train_loss if finite else None,
                val_loss=validation.loss if validation and finite else None,
                metrics=self._metrics("val", validation if finite else None) | self._metrics("test", test),
            )
        )
        if test and test.hits is not None:
            kinds = ["early_stop"] * improved + ["final"] * (iteration == plan.stop)
            self.result.states.setdefault(CORRECT, {}).update(dict.fromkeys(kinds, pack(test.hits)))
        if not finite:
            self.result.status = "diverged"
            since = iteration - self.batches
            when = f"between iterations {since} and {iteration}" if self.batches else "before any training"
            self.result.message = f"the loss became NaN or infinite {when}"
        self.loss.zero_()
        self.batches = 0
        self.result.evaluation_seconds += time.perf_counter() - began

    def _metrics(self, split: str, score: Score | None) -> dict[str, float | None]:
        """The task's metrics by the names that they have on `split`; None where nothing was measured."""
        metrics = self.measures.metrics
        return {metric.on(split): None if score is None else score.value(metric.name) for metric in metrics}

    def _is_better(self, validation: Score) -> bool:
        """Whether what decides the early stop is better than at every evaluation before."""
        decider, best = self.measures.decider, self.result.early_stop
        value, before = validation.value(decider.name), getattr(best, self.measures.decide, None)
        return value is not None and (before is None or decider.sign * value > decider.sign * before)

    def _test_early_stop(self) -> None:
        """Measures the test metrics of the early-stop weights where that is still to be done."""
        result, early = self.result, self.result.early_stop
        if early is None or getattr(early, self.measures.primary.on("test")) is not None:
            return
        began = time.perf_counter()
        final = result.states.get("final") or clone(self.state)
        load(self.model, result.states["early_stop"])
        self.steps.take()
        outputs = None if self.spec.update else self.steps.outputs  # the mask was another one then
        with kept(self.model):
            test = evaluate(self.model, self.spec.data.test, outputs)
        load(self.model, final)
        self.steps.take()
        metrics = {**early.metrics, **self._metrics("test", test)}
        result.points[result.points.index(early)] = replace(early, metrics=metrics)
        if test.hits is not None:
            result.states.setdefault(CORRECT, {})["early_stop"] = pack(test.hits)
        result.evaluation_seconds += time.perf_counter() - began

    def observe(self, iteration: int) -> None:
        """Adds the observation of each observer that is due."""
        ends = (self.spec.plan.start, self.spec.plan.stop)
        if self.result.status != "done":
            return
        for observer in self.observers:
            before = self.before.pop(observer.key, {})
            if before or iteration in ends or (observer.every and iteration % observer.every == 0):
                observation = {f"before/{name}": value for name, value in before.items()}
                observation |= self._observed(observer)
                self.result.observed.setdefault(observer.key, []).append((iteration, observation))

    def write(self, checkpoint: Checkpoint, iteration: int) -> None:
        """Writes a checkpoint, unless it would lack something that changes in training."""
        snapshot = self.snapshot(iteration)
        if self.spec.side.complete:
            checkpoint.write(snapshot)

    def snapshot(self, iteration: int) -> Snapshot:
        """Everything that `restore` needs."""
        seconds = self.result.seconds + time.perf_counter() - self.began
        records = self.result.records() | {"seconds": seconds, "batches": self.batches}
        states = {**self.result.states, "model": self.state, "sums": {"loss": self.loss}}
        if self.spec.update:
            states["mask"] = self.spec.mask
        return Snapshot(iteration, states, self.steps.optimizer_state(), records)

    def restore(self, snapshot: Snapshot) -> int:
        """Restores `snapshot`; the iteration that it was taken at. Raises various errors for one that does not fit."""
        check_snapshot(snapshot, self.spec)
        states = {name: mapped(state, lambda x: x.to(self.device)) for name, state in snapshot.states.items()}
        load(self.model, states.pop("model"))
        self.loss.copy_(states.pop("sums")["loss"])
        if self.spec.update:
            self.spec = replace(self.spec, mask=on_cpu(states.pop("mask")))
        self.batches = snapshot.records.pop("batches")
        self.result = result_from(snapshot.records, states)
        self.take_steps()
        self.steps.restore(snapshot.optimizer)
        return snapshot.iteration

    def end(self) -> RunResult:
        """The complete result, with the final weights and the accuracy on the training split."""
        self.steps.give()
        self.steps.free()
        if self.result.status == "done":
            if all(is_finite(parameter) for parameter in self.model.parameters()):
                self.result.train = dict(self._score(self.spec.data.train).metrics)
                self._keep("final")
            else:  # the last step did it, and no loss was computed since
                self.result.states.get(CORRECT, {}).pop("final", None)
                self.result.status, self.result.message = "diverged", "a weight became NaN or infinite at the end"
        self._test_early_stop()
        if self.spec.update:  # of a diverged training too, where it ended
            self.result.states["final_mask"] = clone(self.spec.mask)
        self.result.seconds += time.perf_counter() - self.began
        self.result.machine = describe(self.device)
        return self.result
