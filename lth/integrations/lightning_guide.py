"""Guides a Trainer of Lightning through the steps of a run: from its rewind point or checkpoint, to its end."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.utilities import CombinedLoader
from torch import Tensor, nn

from lth.core.errors import LotteryError
from lth.data.arrays import kind_of
from lth.data.step_loader import StepLoader
from lth.integrations.built import BuiltFit, attributes_of, set_aside
from lth.training.custom_run import LoopRun


class Guide(Callback):  # type: ignore[misc]
    """Takes the steps of a run as the Trainer trains, and logs to it what the module logs.

    count: the steps of the training. done: those that are complete. per_epoch: the batches of an epoch, of which
    `accumulated` make a step. by_hand: whether the module itself steps its optimisers. final: the metrics after the
    last step, where the Trainer has validated then.
    """

    def __init__(
        self, fit: BuiltFit, run: LoopRun, trainer: Trainer, module: LightningModule, data: tuple[Any, ...]
    ) -> None:
        self.fit, self.run, self.trainer, self.data = fit, run, trainer, data
        self.steps: Iterator[int] = iter(())
        self.count, self.done, self.step = 0, 0, -1
        self.by_hand, self.accumulated, self.per_epoch = False, 1, math.inf
        self.final: dict[str, float] = {}
        self.loader: StepLoader | None = None
        self.names = attributes_of_lightning() if module is run.model else set()
        self.attributes = attributes_of(run.model, self.names)
        self.source: Any = module if not data else data[0] if isinstance(data[0], LightningDataModule) else None
        self.drawn: Callable[[], Any] = self.source.train_dataloader if self.source is not None else lambda: data[0]
        self.fit_arguments: dict[str, Any] = {}
        self.validate_arguments: dict[str, Any] = {}
        if self.source is None:
            validation = data[1] if len(data) > 1 else None
            self.fit_arguments = {"train_dataloaders": self.batches(), "val_dataloaders": validation}
            self.validate_arguments = {"dataloaders": validation}
        elif data:
            self.fit_arguments = self.validate_arguments = {"datamodule": data[0]}

    def take_over(self) -> None:
        """Puts the numbered batches in the place of those of a data module, or of the LightningModule."""
        if self.source is not None:
            self.source.train_dataloader = self.batches

    def release(self) -> None:
        """Frees a data module, which may be that of the next training too, of the batches and of the Trainer."""
        if self.source is not None:
            vars(self.source).pop("train_dataloader", None)
        if isinstance(self.source, LightningDataModule):
            self.source.trainer = None

    def batches(self) -> StepLoader:
        """The training batches by their numbers."""
        if self.loader is None:
            loader = self.drawn()
            if isinstance(loader, (Mapping, list, tuple, CombinedLoader)):
                raise LotteryError(f"{self.fit.what} has {kind_of(loader)} of training batches: give one DataLoader")
            self.loader = self.run.batches(loader)
        return self.loader

    def bare_model(self) -> AbstractContextManager[None]:
        """Within, a model that is a LightningModule itself is without its Trainer."""
        return set_aside(self.run.model, self.names, self.attributes)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Attaches the optimisers, begins the steps, and takes Lightning to where they begin."""
        self.by_hand = not pl_module.automatic_optimization
        self.accumulated = trainer.accumulate_grad_batches
        self.per_epoch = self._batches_per_epoch()
        self.count = self._count()
        self.fit.check_steps(self.count, "max_epochs or max_steps" if self.by_hand else "max_steps")
        for number, optimizer in enumerate(trainer.optimizers):
            self.run.attach(optimizer, None if number else _Schedules(trainer))
        if (scaler := getattr(trainer.precision_plugin, "scaler", None)) is not None:
            self.run.keep(scaler=scaler)
        with self.bare_model():
            self.steps = self.run.steps(self.count)
        self.done = self.run.done
        if self.run.stop < self.count:  # to the rewind point
            trainer.fit_loop.min_epochs, trainer.fit_loop.epoch_loop.min_steps = 0, None
        self._go_to(self.done)

    def _batches_per_epoch(self) -> float:
        loader, limit = self.batches(), self.trainer.limit_train_batches
        length = math.inf if loader.numbers is None else len(loader)
        batches = min(length, limit) if isinstance(limit, int) else length * limit if limit else 0
        if batches < 1:
            raise LotteryError(f"{self.fit.what} has limit_train_batches={limit}, which leaves no batch of {length}")
        return batches if math.isinf(batches) else int(batches)

    def _count(self) -> int:
        """The steps of the training, by the limits of the Trainer; LotteryError where there are none."""
        most, epochs = self.trainer.max_steps, self.trainer.fit_loop.max_epochs
        if self.by_hand and most != -1:
            problem = "has max_steps, which with manual optimisation counts every optimiser: give it max_epochs"
            raise LotteryError(f"{self.fit.what} {problem}")
        limits = [] if most == -1 else [most]
        if epochs not in (None, -1) and not math.isinf(self.per_epoch):
            limits.append(epochs * math.ceil(self.per_epoch / self.accumulated))
        if not limits:
            raise LotteryError(f"{self.fit.what} has no end: give it max_steps or max_epochs")
        return int(min(limits))

    def _go_to(self, step: int) -> None:
        """Sets Lightning's counters of epochs, batches and steps to those after `step` steps."""
        if math.isinf(self.per_epoch):
            epoch, batch = 0, step * self.accumulated
            earlier = batch
        else:
            epoch, place = divmod(step, math.ceil(self.per_epoch / self.accumulated))
            batch = place * self.accumulated
            earlier = epoch * int(self.per_epoch) + batch
        loop = self.trainer.fit_loop
        loop._combined_loader = None  # the module may have asked for the number of batches, before they begin here
        self._begin(epoch, batch)
        if not step:
            return
        for tracker in (loop.epoch_progress.total, loop.epoch_progress.current):
            tracker.processed = tracker.completed = epoch
            tracker.ready = tracker.started = epoch + (batch > 0)
        progress = loop.epoch_loop.batch_progress
        for tracker, number in ((progress.total, earlier), (progress.current, batch)):
            tracker.ready = tracker.started = tracker.processed = tracker.completed = number
        optimizer = loop.epoch_loop.automatic_optimization.optim_progress.optimizer
        for tracker in (optimizer.step.total, loop.epoch_loop.manual_optimization.optim_step_progress.total):
            tracker.ready = tracker.completed = step
        loop.epoch_loop._batches_that_stepped = step
        if batch:
            loop.restarting = True  # in the middle of an epoch

    def _begin(self, epoch: int, batch: int = 0) -> None:
        """Lets the loader begin at the batch `batch` of an epoch."""
        loader = self.batches()
        length = len(loader) if loader.numbers is not None else 0 if math.isinf(self.per_epoch) else self.per_epoch
        loader.begin(epoch * int(length) + batch)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Chooses the order of the epoch."""
        self._begin(trainer.current_epoch)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Ends the step before: whatever the module logged after it is in a checkpoint that lth writes now."""
        if batch_idx % self.accumulated:
            return
        with self.bare_model():
            self.step = next(self.steps, -1)
        if self.step < 0 or (not self.by_hand and self.step != trainer.global_step):
            raise LotteryError(f"Lightning is in step {trainer.global_step} where lth is in step {self.step}")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Logs the loss of the batch, and ends the training up to the rewind point."""
        if (batch_idx + 1) % self.accumulated and batch_idx + 1 != self.per_epoch:
            return
        self.done = self.step + 1
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if isinstance(loss, Tensor) and self.done % trainer.log_every_n_steps == 0:
            self.run.log(self.done, train_loss=loss * self.accumulated)
        if self.run.stop <= self.done < self.count:
            trainer.should_stop = True

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Metrics of a validation, of the weights as they are."""
        if trainer.sanity_checking:
            return
        metrics = named({name: x for name, x in trainer.callback_metrics.items() if str(name).startswith("val")})
        if metrics:
            self.run.log(self.done, **metrics)
        if self.done == self.count:
            self.final |= metrics


class _Schedules:
    """The schedules of the learning rate that Lightning steps, as one."""

    def __init__(self, trainer: Trainer) -> None:
        self.schedulers = [one.scheduler for one in trainer.lr_scheduler_configs]

    def state_dict(self) -> dict[str, Any]:
        """The states of all."""
        return {"schedulers": [scheduler.state_dict() for scheduler in self.schedulers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Puts back what `state_dict` gave."""
        for scheduler, saved in zip(self.schedulers, state["schedulers"], strict=True):
            scheduler.load_state_dict(saved)


def attributes_of_lightning() -> set[str]:
    """The names of what Lightning keeps in a LightningModule, beside what every module has."""
    module = LightningModule().to("cpu")
    assert not module.hparams  # made as it is asked for
    return {*vars(module), "train_dataloader"} - set(vars(nn.Module()))


def named(metrics: Any) -> dict[str, Any]:
    """Lightning's metrics by lth's names: those of one dict, or of a list of them, as `Trainer.test` gives."""
    parts = metrics if isinstance(metrics, list) else [metrics]
    if not all(isinstance(part, Mapping) for part in parts):
        raise LotteryError(f"the metrics of lightning_fit are {kind_of(metrics)}: give a dict, or a list of them")
    return {str(name).replace("/", "_"): value for part in parts for name, value in part.items()}
