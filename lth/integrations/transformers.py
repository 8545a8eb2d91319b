"""Tickets in the Trainer of Hugging Face: `pip install 'lth[transformers]'`.

`TicketCallback` holds a mask in a training; `trainer_fit` makes a Trainer the loop of a search.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from transformers import Trainer, TrainerCallback, TrainerState
from transformers.trainer import TRAINER_STATE_NAME

from lth.core.errors import LotteryError
from lth.data.arrays import kind_of
from lth.integrations.built import SPLITS, BuiltFit, Preparation
from lth.lottery.ticket import load_ticket
from lth.training.attach import HasMask, HeldMask, attach
from lth.training.custom_run import LoopRun

SPEEDS = ("_runtime", "_per_second", "_preparation_time")
"""How the names of values end that the Trainer adds to metrics, which are none."""


class TicketCallback(TrainerCallback):  # type: ignore[misc]
    """Holds `mask` from the first step of a `Trainer` to its last, with the optimiser that the Trainer makes.

    mask: as `lth.attach` takes it, by the names of the Trainer's model; a ticket, or the path of one, gives its mask
    (apply the ticket to the model for its weights). held: what `lth.attach` gave, None outside of a training. Raises
    LotteryError as the training begins, where `lth.attach` does.
    """

    def __init__(self, mask: Mapping[str, Tensor] | HasMask | str | Path) -> None:
        self.mask = load_ticket(mask) if isinstance(mask, (str, Path)) else mask
        self.held: HeldMask | None = None

    def on_train_begin(
        self, args: object, state: object, control: object, *, model: nn.Module, optimizer: Optimizer, **others: Any
    ) -> None:
        """Attaches the mask; a training that an error ended may have left it attached."""
        self.on_train_end(args, state, control)
        self.held = attach(model, optimizer, self.mask)

    def on_train_end(self, args: object, state: object, control: object, **others: Any) -> None:
        """Detaches the mask."""
        if self.held is not None:
            self.held.detach()
            self.held = None


def trainer_fit(
    build_trainer: Callable[..., Trainer],
    steps: int | None = None,
    metrics: Callable[[Trainer], Mapping[str, Any]] | None = None,
) -> "TrainerFit":
    """A `fit` for `lth.search` and `loop=custom` that trains by the Trainer that `build_trainer(run)` gives.

    build_trainer: makes a new `Trainer(model=run.model, ...)` for every level, arm and seed; arguments of the loop are
    passed on to it. steps: of a training, where they are to be checked against those of the Trainer (`max_steps`, or
    its epochs). metrics: gives the final metrics of the trained Trainer, as `lambda trainer: trainer.evaluate(test_set,
    metric_key_prefix="test")`; without it they are those of its `eval_dataset`.

    The Trainer begins at the rewind point, with its learning rate as it is there, and goes on after a kill with the
    same bits: its batches come from the seed of the run and the number of the step, in the order of its sampler, as
    those of `run.batches` do. Its metrics `eval_...` are `val_...` here, or `test_...` where `eval_dataset` is a dict
    with that name; its `loss` is `train_loss`. Raises LotteryError for what is no Trainer of `run.model`, and for one
    that cannot train a ticket.
    """
    return TrainerFit(build_trainer, steps, metrics)


class TrainerFit(BuiltFit):
    """What `trainer_fit` gives."""

    def __call__(self, run: LoopRun, **args: Any) -> dict[str, Any]:
        """Trains `run.model` from its rewind point or checkpoint; the final metrics by name."""
        trainer = self.build(run, **args)
        self._check(trainer, run)
        loader = run.batches(_bare_loader(trainer))
        trainer.get_train_dataloader = lambda: loader
        _, per_epoch, *_, count = trainer.set_initial_training_values(trainer.args, loader)
        self.check_steps(count, "max_steps")
        trainer.create_optimizer_and_scheduler(count)
        trainer._created_lr_scheduler = False  # the Trainer would make another one as it begins
        guide = _Guide(trainer, run, count)
        trainer.add_callback(guide)
        try:
            with _resumable(trainer, run.done, per_epoch, count) as folder:
                trainer.train(resume_from_checkpoint=folder)
        finally:
            guide.prepared.undo()
        if next(guide.steps, None) is not None or run.stop < count:
            return {}  # it stopped early, which lth says; or this is the training up to the rewind point
        if self.metrics is not None:
            return named(self.metrics(trainer))
        return guide.final or named(trainer.evaluate())

    def _check(self, trainer: Any, run: LoopRun) -> None:
        """Raises LotteryError for what is no Trainer, and for one that cannot train a ticket."""
        if not isinstance(trainer, Trainer):
            problem = "return a transformers.Trainer(model=run.model, ...)"
            raise LotteryError(f"{self.what} is {kind_of(trainer)}: {problem}")
        args = trainer.args
        no_metrics = self.metrics is None and trainer.eval_dataset is None
        self.check(
            {
                "has another model than run.model: build it as Trainer(model=run.model, ...)": (
                    trainer.model_init is not None or trainer.model is not run.model
                ),
                f"runs in {args.world_size} processes, and a search trains in one": args.world_size > 1,
                "shards the model, and no mask fits its parts": trainer.is_deepspeed_enabled or trainer.is_fsdp_enabled,
                "has load_best_model_at_end=True, and a ticket is judged by its last weights": (
                    args.load_best_model_at_end
                ),
                "has auto_find_batch_size=True, and every level needs the same batches": args.auto_find_batch_size,
                "has no eval_dataset: give it one, or trainer_fit(..., metrics=...)": no_metrics,
            }
        )
        self.check_device(args.device, run.device, "TrainingArguments(use_cpu=True), or the search device='cuda'")


class _Guide(TrainerCallback):  # type: ignore[misc]
    """Takes the steps of a run as the Trainer trains, and logs to it what the Trainer logs.

    fresh: whether the training begins at its start, and not at a checkpoint. final: the metrics after the last step,
    where the Trainer has evaluated then. As a thing with a state it keeps the training loss since the last log.
    """

    def __init__(self, trainer: Trainer, run: LoopRun, count: int) -> None:
        self.trainer, self.run, self.schedule = trainer, run, trainer.lr_scheduler
        self.final: dict[str, Any] = {}
        self.kept: dict[str, Any] = {}
        self.present = False
        run.attach(trainer.optimizer, trainer.lr_scheduler)
        run.keep(trainer=self)
        if (scaler := getattr(trainer.accelerator, "scaler", None)) is not None:
            run.keep(scaler=scaler)
        start = run.done
        self.steps: Iterator[int] = run.steps(count)
        self.fresh = run.done == start
        self.prepared = Preparation(run.model)

    def on_train_begin(self, args: Any, state: Any, control: Any, lr_scheduler: Any = None, **others: Any) -> None:
        """Ends the Trainer's preparation, and puts back the loss that it had summed up at the checkpoint."""
        self.prepared.end()
        if lr_scheduler is not self.schedule:
            raise LotteryError("this version of transformers makes a second schedule of the learning rate: tell lth")
        if self.kept:
            self.trainer._tr_loss = torch.tensor(self.kept["loss"], device=args.device)
            self.trainer._globalstep_last_logged = self.kept["logged"]

    def on_step_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Ends the step before: whatever the Trainer logged after it is in a checkpoint that lth writes now."""
        with self.prepared.undone():
            step = next(self.steps)
        if step != state.global_step:
            raise LotteryError(f"the Trainer is in step {state.global_step} where lth is in step {step}")
        self.present = True

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Ends the training up to the rewind point."""
        if state.global_step >= self.run.stop:
            control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **others: Any) -> None:
        """The mean training loss since the last log."""
        if logs and "loss" in logs:
            self.run.log(state.global_step, train_loss=logs["loss"])

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **others: Any) -> None:
        """Metrics of an evaluation; one before the first step is of the start, and not repeated at a checkpoint."""
        if not (metrics and (self.present or self.fresh)):
            return
        values = named(metrics)
        self.run.log(state.global_step, **values)
        if state.global_step == self.run.stop:
            self.final |= values

    def state_dict(self) -> dict[str, Any]:
        """The training loss since the last log, and the step of that."""
        return {"loss": self.trainer._tr_loss.item(), "logged": self.trainer._globalstep_last_logged}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Keeps `state` for the begin of the training, where the Trainer sets both to zero."""
        self.kept = state


def named(metrics: Any) -> dict[str, Any]:
    """The Trainer's metrics by lth's names, without times and speeds: `eval_loss` as `val_loss`."""
    if not isinstance(metrics, Mapping):
        raise LotteryError(
            f"the metrics of trainer_fit are {kind_of(metrics)}: give a dict, as trainer.evaluate() does"
        )
    values = {}
    for name, value in metrics.items():
        if name == "epoch" or str(name).endswith(SPEEDS):
            continue
        inner = str(name).removeprefix("eval_")
        values[inner if inner == name or inner.startswith(SPLITS) else f"val_{inner}"] = value
    return values


def _bare_loader(trainer: Trainer) -> Any:
    """The Trainer's loader of training batches, as it is before Accelerate gives it another sampler."""
    accelerator = trainer.accelerator
    accelerator.prepare = lambda loader: loader
    try:
        return trainer.get_train_dataloader()
    finally:
        del accelerator.prepare


@contextmanager
def _resumable(trainer: Trainer, step: int, per_epoch: int, count: int) -> Iterator[str | None]:
    """A folder that the Trainer resumes from after `step` of `count` steps; None for the first.

    It goes on in that batch of its epoch by its own means. Weights, optimiser and schedule are there already.
    """
    if not step:
        yield None
        return
    state = TrainerState(epoch=step / per_epoch, global_step=step, max_steps=count)
    state.train_batch_size = trainer._train_batch_size
    state.compute_steps(trainer.args, count)
    trainer.args.ignore_data_skip = False
    trainer._load_from_checkpoint = lambda *args, **others: None
    with tempfile.TemporaryDirectory() as folder:
        state.save_to_json(str(Path(folder) / TRAINER_STATE_NAME))
        yield folder
