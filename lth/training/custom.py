"""Trains by a user's own loop: gives it the network and the steps, keeps what it measures, and checks what it leaves.

The batches of such a loop come from the number of a step and from `run.rng`: then the same spec gives the same bits,
resumed or not. The weights of the early stop are not kept: the early stop is a point of the curve.
"""

import logging
import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import torch

from lth.core.errors import LotteryError, SettingError
from lth.core.keeping import kept
from lth.core.machine import describe
from lth.core.portable import NotPortable
from lth.core.rng import address
from lth.core.users import users_line
from lth.core.weights import State, clone, is_finite, load, mapped, with_beside
from lth.data.arrays import kind_of
from lth.training.attach import HeldMask, attach
from lth.training.checkpoint import Checkpoint, Snapshot
from lth.training.custom_loop import CustomLoop
from lth.training.custom_metrics import measures_of, with_values
from lth.training.custom_run import LoopRun, number, whole_number
from lth.training.loop_state import LoopState
from lth.training.noise import Noise
from lth.training.records import SCHEDULE, check_finite, check_states
from lth.training.run_result import IMPOSSIBLE, Point, RunResult, result_from
from lth.training.run_spec import Observer, Progress, RunSpec

log = logging.getLogger(__name__)

PROGRESS_EVERY = 25
"""Steps between two calls of `progress`."""


class _Diverged(BaseException):
    """Ends a loop of the user's whose training has diverged; no `except Exception` of theirs holds it up."""


def train_custom(
    spec: RunSpec,
    observers: Sequence[Observer] = (),
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
    keep_at: Collection[int] = (),
) -> RunResult:
    """The result of training `spec` by its loop; as `lth.training.loop.train`, which calls it.

    Raises LotteryError, in one line, for whatever the loop does that no training does, and for an error that it raises.
    """
    try:
        return Conduct(spec, observers, checkpoint, progress, keep_at).trained(checkpoint)
    except _StartsAgain:
        return Conduct(spec, observers, checkpoint, progress, keep_at).trained()


class Conduct:
    """A training by a user's loop under way: what the loop has attached, and the result so far."""

    def __init__(
        self,
        spec: RunSpec,
        observers: Sequence[Observer] = (),
        checkpoint: Checkpoint | None = None,
        progress: Progress | None = None,
        keep_at: Collection[int] = (),
    ) -> None:
        assert spec.loop is not None
        self.spec, self.loop, self.model = spec, spec.loop, spec.model
        self.observers, self.checkpoint, self.progress, self.keep_at = observers, checkpoint, progress, set(keep_at)
        columns = {x.key: {name: column.name for name, column in x.columns.items()} for x in observers}
        self.start = spec.plan.start
        self.result = RunResult(self.start, spec.plan.stop, columns=columns)
        self.state = LoopState(spec.model)
        self.held: HeldMask | None = None
        self.count: int | None = None  # the steps of the training, once the loop has said them
        self.step, self.done = self.start, self.start
        self.noise = Noise(spec)
        self.noise.seed_by(address(spec.seeds.order, "fit", self.start))
        self.began = time.perf_counter()
        load(self.model, spec.initial_state, spec.mask)
        self.model.train()
        self.model.zero_grad()
        self.names = set(self.model.state_dict())

    def trained(self, resumed: Checkpoint | None = None) -> RunResult:
        """The result of the training; resumed: the checkpoint that it goes on from, where that is there."""
        self.resumed = resumed
        try:
            returned = self.loop(LoopRun(self))
        except _Diverged:
            returned = None
        except LotteryError:
            raise
        except (Exception, SystemExit) as error:
            raise LotteryError(users_line(f"fit={self.loop.name}", error)) from error
        finally:
            if self.held is not None:
                self.held.detach()
        return self.end(returned)

    @property
    def stop(self) -> int:
        """The step that this training ends before: the last one, or the rewind point."""
        return self.result.stop

    @property
    def to_rewind_point(self) -> bool:
        """Whether this is the training up to the rewind point."""
        return not self.spec.plan.open

    def check_before(self, name: str) -> None:
        """Raises LotteryError where `run.steps` was called already."""
        if self.count is not None:
            raise LotteryError(f"fit calls run.{name} after run.steps: call it before, so that steps can be resumed")

    def steps(self, count: Any) -> Iterator[int]:
        """As `LoopRun.steps`."""
        if self.count is not None:
            raise LotteryError("fit calls run.steps twice: one training is one run through its steps")
        self.count = whole_number("run.steps: the number of steps", count)
        if self.count <= (self.stop if self.to_rewind_point else self.start):
            rewind = self.stop if self.to_rewind_point else self.start
            problem = f"is past the end of a training of {self.count} steps" if rewind else "there is no step to take"
            raise SettingError("rewind", rewind, problem)
        if not self.to_rewind_point:
            self.result.stop = self.count
        self._check_unchanged()
        if self.state.optimizers and not all(mask.all() for mask in self.spec.mask.values()):
            self.held = attach(self.model, self.state.optimizers, self.spec.mask)
        self.done = self._begun()
        return self._steps()

    def _check_unchanged(self) -> None:
        """Raises LotteryError where the loop has changed a weight before its first step."""
        weights = dict(self.model.named_parameters())
        for name, start in self.spec.initial_state.items():
            if name not in weights:
                continue
            mask = self.spec.mask.get(name)
            expected = start if mask is None else start.masked_fill(~mask.to(start.device), 0)
            if not torch.equal(weights[name].detach().cpu(), expected.detach().cpu()):
                problem = "a ticket trains from the weights that it is given, so change none before run.steps"
                raise LotteryError(f"fit changes {name} before its first step: {problem}")

    def _steps(self) -> Iterator[int]:
        for step in range(self.done, self.stop):
            self.noise.seed(step)
            self.step = step
            yield step
            self.done = step + 1
            self._watch()
            if self.progress and (self.done % PROGRESS_EVERY == 0 or self.done == self.stop):
                self.progress(self.done)
            if self.checkpoint and self.done < self.stop and self.checkpoint.due():
                self._write(self.checkpoint)

    def log(self, step: Any, metrics: Mapping[str, Any]) -> None:
        """As `LoopRun.log`."""
        step = whole_number("run.log: the step", step)
        if step not in (self.step, self.step + 1, self.done):
            problem = "log the present step, or the number of steps done"
            raise LotteryError(f"fit calls run.log({step}, ...) in step {self.step}: {problem}")
        if step > self.stop:
            raise LotteryError(f"fit calls run.log({step}, ...) in a training of {self.stop} steps")
        values = {name: number(f"run.log: {name}", value) for name, value in metrics.items()}
        self._check_finite(values, f"at step {step}")
        points = self.result.points
        if points and points[-1].iteration > step:
            raise LotteryError(f"fit calls run.log({step}, ...) after run.log({points[-1].iteration}, ...)")
        self._add(step, values)

    def _add(self, step: int, values: Mapping[str, float]) -> None:
        """Adds `values` to the point of the curve at `step`."""
        points = self.result.points
        if not points or points[-1].iteration != step:
            points.append(Point(step, self.state.rate))
        points[-1] = with_values(points[-1], values)

    def _check_finite(self, values: Mapping[str, float], when: str) -> None:
        """Ends the training where a value is NaN or infinite: it has diverged."""
        for name, value in values.items():
            self.loop.judgement.check(name, value)
            if not math.isfinite(value):
                self.result.status = "diverged"
                self.result.message = f"{name} is {value} {when}"
                raise _Diverged

    def _watch(self) -> None:
        """Keeps the weights and observes, where that is due after a step, or before the first."""
        ends = (self.start, self.stop)
        if self.done in self.keep_at and self.done < self.stop:
            self.result.states[f"at_{self.done}"] = clone(self._weights())
        for observer in self.observers:
            if self.done in ends or (observer.every and self.done % observer.every == 0):
                with kept(self.model):
                    observation = observer(self.model, self.spec)
                self.result.observed.setdefault(observer.key, []).append((self.done, observation))

    def _weights(self) -> State:
        return with_beside(self.model.state_dict(), self.spec.side.packed())

    def _begun(self) -> int:
        """The step to go on from: from the checkpoint where there is one that fits, else the start."""
        if self.resumed and (snapshot := self.resumed.read()):
            try:
                self._restore(snapshot)
            except (*IMPOSSIBLE, RuntimeError) as error:  # RuntimeError: of torch, for shapes
                self.resumed.refuse(error)
                raise _StartsAgain from error
            else:
                if not self.loop.check:
                    _name_resuming(self.loop.name)
                return snapshot.iteration
        if self.loop.schedule and self.start:
            self.state.restore_schedule(self.loop.schedule)
        self._watch()
        return self.start

    def _write(self, checkpoint: Checkpoint) -> None:
        """Writes a checkpoint, unless it would lack something."""
        self._judge(complete=False)
        seconds = self.result.seconds + time.perf_counter() - self.began
        states = {**self.result.states, "model": self._weights()}
        try:
            snapshot = Snapshot(self.done, states, self.state.packed(), self.result.records() | {"seconds": seconds})
        except NotPortable as error:
            _name_unportable(self.loop.name, str(error))
            return
        if self.spec.side.complete:
            checkpoint.write(snapshot)

    def _restore(self, snapshot: Snapshot) -> None:
        """Restores `snapshot`; raises various errors for one that does not fit."""
        if type(snapshot.iteration) is not int or not self.start < snapshot.iteration < self.stop:
            raise ValueError(f"step {snapshot.iteration} is none of the training")
        device = self.spec.data.train.device
        states = {name: mapped(state, lambda x: x.to(device)) for name, state in snapshot.states.items()}
        check_finite("model", states["model"], self.model)
        check_states(states, self.model, self.spec.mask)
        result = result_from(snapshot.records, {})
        if (result.start, result.stop, result.status) != (self.start, self.stop, "done"):
            raise ValueError("it is of another training")
        self.state.restore(snapshot.optimizer)
        load(self.model, states.pop("model"))
        self.result = replace(result, states=states)
        self.began = time.perf_counter()

    def end(self, returned: Any) -> RunResult:
        """The complete result, after checks of what the loop has left."""
        result = self.result
        if result.status == "done":
            self._check_steps()
            self._check_weights()
        if result.status == "done" and not self.to_rewind_point:
            values = self._returned(returned)
            try:
                self._check_finite(values, "at the end")
            except _Diverged:
                pass
            else:
                self._add(self.stop, values)
        if result.status == "done":
            result.states["final"] = clone(self._weights())
        if result.status == "done" and self.to_rewind_point:
            result.states[SCHEDULE] = self.state.schedule()
        self._judge(result.status == "done" and not self.to_rewind_point)
        result.seconds += time.perf_counter() - self.began
        result.machine = describe(self.spec.data.train.device)
        return result

    def _judge(self, complete: bool) -> None:
        """Says what the values of the result are; complete: whether none are to come."""
        result = self.result
        result.measures = measures_of(self.loop.judgement, result, complete)
        last = result.points[-1].records() if complete else {}
        result.train = {metric.name: last.get(metric.on("train")) for metric in result.measures.metrics}

    def _returned(self, returned: Any) -> dict[str, float]:
        """The final metrics; LotteryError where there are none."""
        if not isinstance(returned, Mapping) or not returned:
            problem = 'return the final metrics by name, as {"test_accuracy": 0.9}'
            raise LotteryError(f"fit={self.loop.name} returns {kind_of(returned)}: {problem}")
        if not any(str(name).startswith("test_") for name in returned):
            _name_untested(self.loop.name)
        return {name: number(f"fit returns {name}, which", value) for name, value in returned.items()}

    def _check_steps(self) -> None:
        if self.count is None:
            raise LotteryError(f"fit={self.loop.name} never calls run.steps: for step in run.steps(1000): ...")
        if self.done < self.stop:
            problem = "go through all of them, as every level trains equally long"
            raise LotteryError(f"fit={self.loop.name} leaves run.steps in step {self.step} of {self.stop}: {problem}")

    def _check_weights(self) -> None:
        """Raises LotteryError for weights that are pruned and not zero, or not of this network; NaN is a divergence."""
        if other := self.names ^ set(self.model.state_dict()):
            raise LotteryError(f"fit changes which tensors the network has: {min(other)} is there before or after only")
        weights = dict(self.model.named_parameters(remove_duplicate=False))
        if not all(is_finite(weight) for weight in weights.values()):
            self.result.status, self.result.message = "diverged", "a weight became NaN or infinite"
            return
        for name, mask in self.spec.mask.items():
            if bool(weights[name].detach()[~mask.to(weights[name].device)].any()):
                problem = "hold the mask: optimizer = run.attach(optimizer), for every optimiser, before run.steps"
                raise LotteryError(f"pruned weights of {name} are not zero at the end of fit: {problem}")


class _StartsAgain(BaseException):
    """A checkpoint that does not fit may have changed things of the loop's: it is called again, without."""


@cache
def _name_resuming(name: str) -> None:
    log.warning(
        "%s goes on from a checkpoint: the bits are those of an unbroken training where batches come from the step"
        " alone, by run.rng or run.batches, which loop.check=true tries",
        name,
    )


@cache
def _name_untested(name: str) -> None:
    log.warning("%s returns no metric on a test set, such as test_accuracy: there is nothing to compare arms by", name)


@cache
def _name_unportable(name: str, kind: str) -> None:
    log.warning("%s keeps %s, which no checkpoint can hold: a killed training starts again", name, kind)


def loop_from(loop: CustomLoop, result: RunResult) -> CustomLoop:
    """`loop` from the rewind point on, up to which training gave `result`: its schedules go on from there."""
    return replace(loop, schedule=result.states.get(SCHEDULE, {}))
