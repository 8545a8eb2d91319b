"""The search for lottery tickets by a plan, by lth's own training loop or by one of the user's: one path for all."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from lth.analysis.sensitivity import measured_densities
from lth.core.errors import LotteryError, SettingError
from lth.core.machine import describe
from lth.core.seeds import Seeds
from lth.core.side_state import SideState
from lth.core.weights import State
from lth.data.tensors import Data
from lth.lottery.arms import Outcome, check, check_possible, outcomes, requested
from lth.lottery.context import Initialize, context_of
from lth.lottery.coverage import announce
from lth.lottery.iterate import Iterate
from lth.lottery.levels import Fit, levels, rewound
from lth.lottery.plan import ImpPlan
from lth.lottery.scoring import gradual_of
from lth.pruning.layer_densities import MEASURED
from lth.pruning.resolved import resolve
from lth.pruning.scores import score_of
from lth.training.checkpoint import Checkpoint, Snapshot
from lth.training.custom_loop import CustomLoop
from lth.training.custom_metrics import measures_of
from lth.training.loop import train
from lth.training.recipe import iterations_of, open_plan
from lth.training.recipe import plan as training_plan
from lth.training.run_result import RunResult
from lth.training.run_spec import RunSpec


def search(
    model: nn.Module,
    initial_state: State,
    data: Data,
    seeds: Seeds,
    plan: ImpPlan,
    fit: Fit,
    fresh: Initialize,
    side: SideState | None = None,
    loop: CustomLoop | None = None,
) -> Iterator[Outcome]:
    """Trains the levels and arms of `plan`, and gives each outcome as it comes.

    initial_state: that of iteration 0. data: empty where `loop` brings its own. fit: trains, or finds a kept result.
    fresh: another initial state by seed; a `FreshInit` draws narrower networks by the model's initialiser, any other
    function by `reset_parameters`. side: what the model keeps beside its state dict at iteration 0; None: what it keeps
    now. loop: trains in place of lth's own. Everything is checked before the first training: raises SettingError or
    LotteryError.
    """
    side = side or SideState(model)
    if loop is not None:
        check_loop(plan, data)
    few = data.train.take(slice(2)).images if len(data.train) else None
    pruning = resolve(model, plan.pruning, plan.levels, examples=few)
    check(plan.arms, plan.arm_levels, plan.levels, plan.draws)
    training = open_plan(plan.rewind) if loop else training_plan(plan.recipe, len(data.train), plan.rewind)
    spec = RunSpec(model, initial_state, {}, data, training, seeds, side=side, loop=loop)
    context = context_of(model, initial_state, fresh, plan.rewiring)
    context = replace(context, selection=pruning.selection, finetune_lr=plan.finetune_lr)
    if plan.pruning.schedule == "gradual":
        gradual_of(spec, pruning, pruning.level_counts[-1])  # raises where the durations do not fit
    iterate = iterate_of(plan, 0 if loop else len(data.train) // plan.recipe.batch_size)
    counts = [pruning.weights_left(level) for level in plan.control_levels]
    check_possible(plan.arms, context, spec, pruning.layers, counts, plan.pruning.score_at == "trained")
    announce(model, pruning)
    measure = None
    if pruning.to_be_measured:
        how = (plan.pruning.tolerance, plan.pruning.granularity)
        measure = partial(measured_densities, model, data, pruning.layers, *how)
    fit = fit if loop is None else _judged(fit, loop)

    def run() -> Iterator[Outcome]:
        dense = rewound(spec, fit)
        if loop is not None and loop.check:
            check_repeats(replace(dense, mask=pruning.dense()), fit)
        trained = levels(dense, pruning, fit, plan.arm_levels, measure, iterate)
        yield from outcomes(trained, plan.arms, fit, context, plan.arm_levels, plan.draws)

    return run()


def iterate_of(plan: ImpPlan, per_epoch: int) -> Iterate:
    """What the levels of `plan` go on with, in iterations; per_epoch: those of an epoch.

    Raises SettingError for a length that is no duration, or of nothing, and where no lower rate is known.
    """
    length = plan.finetune_length
    if plan.iterate == "finetune" and plan.finetune_lr is None and plan.recipe.schedule == "constant":
        problem = "needs a rate lower than recipe.schedule=constant ends with: give finetune_lr"
        raise SettingError("iterate", plan.iterate, problem)
    if plan.iterate != "finetune" or length is None:
        return Iterate(plan.iterate, plan.finetune_lr)
    iterations = iterations_of(length, per_epoch, "finetune_length")
    if iterations < 1:
        raise SettingError("finetune_length", length, "must be at least one iteration, or null")
    return Iterate(plan.iterate, plan.finetune_lr, iterations)


def check_loop(plan: ImpPlan, data: Data) -> None:
    """Raises SettingError where a plan needs what a user's loop cannot do, or data that lth does not have."""
    pruning = plan.pruning
    if pruning.schedule == "gradual":
        problem = "changes the mask in training, which lth's own loop alone does"
        raise SettingError("pruning.schedule", "gradual", problem)
    if plan.iterate == "finetune":
        raise SettingError("iterate", "finetune", "sets the learning rate, which your own loop does itself: use lr")
    for arm in requested(plan.arms):
        for need, problem in (
            ("rewiring", "changes its mask in training, which lth's own loop alone does"),
            ("held_rate", "sets the learning rate, which your own loop does itself"),
        ):
            if need in arm.needs:
                raise SettingError("arms", arm.name, problem)
    if len(data.train):
        return
    problem = "needs data, and your own loop brings none that lth knows: give data too, or choose another"
    if score_of(pruning).needs & {"network", "examples"}:
        raise SettingError("pruning.score", pruning.score, problem)
    if pruning.layer_densities == MEASURED:
        raise SettingError("pruning.layer_densities", MEASURED, problem)


def _judged(fit: Fit, loop: CustomLoop) -> Fit:
    """`fit`, whose results, stored ones too, are read as the loop's judgement says; all must have the same metrics.

    A training that diverged returned none, and is read by those of the others.
    """
    first: list[RunResult] = []

    def judged(spec: RunSpec) -> RunResult:
        result = fit(spec)
        if not spec.plan.open:
            return result
        if result.status == "done":
            result.measures = measures_of(loop.judgement, result, complete=True)
            if not first:
                first.append(result)
        if first and result.measures != first[0].measures:
            if result.status == "done":
                metrics = [", ".join(x.name for x in one.measures.metrics) for one in (first[0], result)]
                raise LotteryError(f"fit measures {metrics[0]} in one training and {metrics[1]} in another")
            result.measures = first[0].measures
        return result

    return judged


class _BrokenOff(BaseException):
    """Ends a training right after its checkpoint, as a kill does."""


class _Breaking(Checkpoint):
    """A checkpoint that ends the training once `steps` steps are done."""

    steps = 1

    def due(self) -> bool:
        self.steps -= 1
        return self.steps == 0

    def write(self, snapshot: Snapshot) -> None:
        super().write(snapshot)
        raise _BrokenOff


def check_repeats(spec: RunSpec, fit: Fit) -> None:
    """Trains `spec` once more, broken off in the middle and resumed; LotteryError where the bits are not the same."""
    assert spec.loop is not None
    result, machine = fit(spec), describe(spec.data.train.device)
    if result.status != "done":
        return
    if dict(result.machine) != dict(machine):  # it was found in the store, and other machines give other bits
        result = train(spec)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.safetensors"
        breaking = _Breaking(path, 0, machine)
        breaking.steps = max(1, (result.stop - result.start) // 2)
        try:
            again = train(spec, checkpoint=breaking)
        except _BrokenOff:
            again = train(spec, checkpoint=Checkpoint(path, float("inf"), machine))
    for name, tensor in result.final.items():
        if not torch.equal(again.states["final"][name].cpu(), tensor.cpu()):
            problem = "take batches and all that is random from the step and run.rng(step), and run.keep what changes"
            raise LotteryError(f"fit={spec.loop.name} gives other weights of {name} a second time: {problem}")
