"""The one training loop. Masks are data: weights start masked, and gradients are masked before every step.

So pruned weights have exactly zero momentum and weight decay with any of torch's optimisers, and any `nn.Module` can be
trained: nothing is wrapped, renamed or hooked. A mask that changes does so right after a step, before any measurement.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from lth.core.errors import DataError, LotteryError, SettingError
from lth.core.rng import generators_kept
from lth.core.users import users_line
from lth.training.checkpoint import Checkpoint
from lth.training.custom import train_custom
from lth.training.masking import check_fit
from lth.training.run import PROGRESS_EVERY, Run
from lth.training.run_result import IMPOSSIBLE, RunResult
from lth.training.run_spec import Observer, Progress, RunSpec


def train(
    spec: RunSpec,
    observers: Sequence[Observer] = (),
    checkpoint: Checkpoint | None = None,
    progress: Progress | None = None,
    keep_at: Collection[int] = (),
    kernels: Mapping[str, str] | None = None,
) -> RunResult:
    """The result of training `spec` on the device of its data; `spec.model` then has the final weights.

    keep_at: iterations whose weights, and masks where those change, the result keeps too. progress: called with the
    number of iterations done. kernels: those of an earlier training of `spec` (`lth.training.kernels`), which are taken
    again. The same spec gives the same bits on one machine, torch version, device and thread count,
    even if it was interrupted and resumed from `checkpoint` (on a GPU after `lth.core.machine.prepare`, which selects
    deterministic kernels). A loss that is NaN or infinite ends the training with the status `diverged`. Raises
    LotteryError for a mask that does not fit the model and for an error that the model raises, DataError for inputs
    that are NaN or infinite, SettingError for an update or an iteration in `keep_at` that does not fit the plan.
    """
    _check(spec, keep_at)
    spec.model.to(spec.data.train.device)
    with _determined(spec), spec.side.training():
        if spec.loop is not None:
            return train_custom(spec, observers, checkpoint, progress, keep_at)
        run, iteration = _begun(lambda: Run(spec, observers, keep_at), checkpoint, kernels)
        iterations = run.iterations(iteration)
        while run.result.status == "done" and iteration < spec.plan.stop:
            iteration = _stepped(iterations, iteration)
            if spec.update and spec.update.due(iteration) and iteration < spec.plan.total:
                run.update(iteration, spec.update)
            if spec.plan.evaluates(iteration):
                run.evaluate(iteration)
            run.keep(iteration)
            run.observe(iteration)
            if progress and (iteration % PROGRESS_EVERY == 0 or iteration == spec.plan.stop):
                progress(iteration)
            if checkpoint and iteration < spec.plan.stop and checkpoint.due():
                run.write(checkpoint, iteration)
        return run.end()


def _check(spec: RunSpec, keep_at: Collection[int]) -> None:
    check_fit(spec.model, spec.mask)
    if spec.data.nonfinite:
        split, index = spec.data.nonfinite
        raise DataError(f"data {spec.data.name}: an input is NaN or infinite, at index {index} of the {split} split")
    if spec.update and spec.loop is not None:
        raise LotteryError("a mask that changes in training needs lth's own loop, and this training has one of yours")
    if spec.update:
        spec.update.check(spec.mask, spec.plan.start, spec.plan.total)
    for iteration in keep_at:
        if not spec.plan.start <= iteration <= spec.plan.stop:
            problem = f"lies outside a training from iteration {spec.plan.start} to {spec.plan.stop}"
            raise SettingError("keep_at", iteration, problem)


def _stepped(iterations: Iterator[int], iteration: int) -> int:
    """The iteration after the next step; LotteryError for an error that a user's own network raises in it."""
    try:
        return next(iterations)
    except LotteryError:
        raise
    except Exception as error:
        raise LotteryError(users_line(f"the model, in iteration {iteration} of training,", error)) from error


@contextmanager
def _determined(spec: RunSpec) -> Iterator[None]:
    """Flushes denormal numbers, which slow a converged Adam down many times; restores global generators afterwards."""
    device = spec.data.train.device
    flushed = (torch.tensor([1e-40]) * 1).item() == 0  # torch has no getter for it
    torch.set_flush_denormal(True)
    try:
        with generators_kept([device] if device.type == "cuda" else []):
            yield
    finally:
        torch.set_flush_denormal(flushed)


def _begun(
    make: Callable[[], "Run"], checkpoint: Checkpoint | None, kernels: Mapping[str, str] | None
) -> tuple["Run", int]:
    """(training, iteration that it goes on from): from the checkpoint, where there is one that fits, else the start."""
    run = make()
    if checkpoint and (snapshot := checkpoint.read()):
        try:
            return run, run.restore(snapshot)
        except (*IMPOSSIBLE, RuntimeError) as error:  # RuntimeError: of torch, for shapes
            checkpoint.refuse(error)
            run = make()
    return run, run.begin(kernels)
