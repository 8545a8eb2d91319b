"""Tickets in the Trainer of Lightning: `pip install 'lth[lightning]'`.

`TicketCallback` holds a mask in a training; `lightning_fit` makes a Trainer the loop of a search.
"""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from lth.core.errors import LotteryError
from lth.data.arrays import kind_of
from lth.integrations.built import BuiltFit
from lth.integrations.lightning_guide import Guide, named
from lth.lottery.ticket import load_ticket
from lth.training.attach import HasMask, HeldMask, attach
from lth.training.custom_run import LoopRun

MID_EPOCH = "You're resuming from a checkpoint that ended before the epoch ended"
"""How a warning of Lightning's begins, for loaders that cannot begin in the middle of an epoch."""


class TicketCallback(Callback):  # type: ignore[misc]
    """Holds `mask` while `Trainer.fit` trains, with all of the module's optimisers, automatic or manual.

    mask: as `lth.attach` takes it; a ticket, or the path of one, gives its mask (apply the ticket to the network for
    its weights). part: the attribute of the LightningModule whose network the names of the mask are those of; empty:
    the module itself. held: what `lth.attach` gave, None outside of a training. Raises LotteryError as the training
    begins, where `lth.attach` does.
    """

    def __init__(self, mask: Mapping[str, Tensor] | HasMask | str | Path, part: str = "") -> None:
        self.mask = load_ticket(mask) if isinstance(mask, (str, Path)) else mask
        self.part = part
        self.held: HeldMask | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Attaches the mask, after a checkpoint has been loaded, and before the first step."""
        self.held = attach(pl_module.get_submodule(self.part), trainer.optimizers, self.mask)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Detaches the mask."""
        if self.held is not None:
            self.held.detach()
            self.held = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Detaches the mask where an error, or the user, ends the training."""
        self.on_train_end(trainer, pl_module)


def lightning_fit(
    build_trainer: Callable[..., tuple[Any, ...]],
    steps: int | None = None,
    metrics: Callable[[Trainer], Any] | None = None,
) -> "LightningFit":
    """A `fit` for `lth.search` and `loop=custom` that trains by the Trainer that `build_trainer(run)` gives.

    build_trainer: returns (trainer, module, ...) for every level, arm and seed: a new Trainer, a LightningModule of
    `run.model`, and what `trainer.fit(module, ...)` takes after it: a loader of training batches and one of validation
    batches, or a LightningDataModule, or nothing. Arguments of the loop are passed on to it. steps: of a training,
    where they are to be checked against those of the Trainer. metrics: gives the final metrics of the trained Trainer,
    as `lambda trainer: trainer.test(trainer.lightning_module, test_loader)`; without it they are those of a validation.

    A step is one of the optimiser, or with manual optimisation a batch. The Trainer begins at the rewind point, with
    its learning rate as it is there, and goes on after a kill with the same bits: its batches come from the seed of the
    run and the number of the step, as those of `run.batches` do. What `module.log` calls `val_...` is logged, and the
    loss of a batch every `log_every_n_steps` as `train_loss`. Raises LotteryError for what is no Trainer of
    `run.model`, and for one that cannot train a ticket.
    """
    return LightningFit(build_trainer, steps, metrics)


class LightningFit(BuiltFit):
    """What `lightning_fit` gives."""

    def __call__(self, run: LoopRun, **args: Any) -> dict[str, Any]:
        """Trains `run.model` from its rewind point or checkpoint; the final metrics by name."""
        trainer, module, data = self._checked(self.build(run, **args), run)
        guide = Guide(self, run, trainer, module, data)
        trainer.callbacks.append(guide)
        with guide.bare_model(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", MID_EPOCH)
            try:
                guide.take_over()
                trainer.fit(module, **guide.fit_arguments)
                run.model.to(run.device)  # Lightning takes it to the CPU, also after a validation
                if next(guide.steps, None) is not None or run.stop < guide.count:
                    return {}  # it stopped early, which lth says; or this is the training up to the rewind point
                return self._final(guide, trainer, module)
            finally:
                guide.release()
                run.model.to(run.device)

    def _final(self, guide: Guide, trainer: Trainer, module: LightningModule) -> dict[str, Any]:
        """The metrics after the last step."""
        if self.metrics is not None:
            return named(self.metrics(trainer))
        if not guide.final:
            trainer.validate(module, verbose=False, **guide.validate_arguments)
        return guide.final

    def _checked(self, built: Any, run: LoopRun) -> tuple[Trainer, LightningModule, tuple[Any, ...]]:
        """(trainer, module, what `fit` takes after it); LotteryError for what cannot train a ticket."""
        if not isinstance(built, tuple) or len(built) < 2 or not isinstance(built[0], Trainer):
            problem = "return (trainer, module, train_loader, val_loader), or (trainer, module, datamodule)"
            raise LotteryError(f"{self.what} is {kind_of(built)}: {problem}")
        trainer, module, *data = built
        inside = {id(parameter) for parameter in run.model.parameters()}
        modules = module.modules() if isinstance(module, LightningModule) else ()
        outside = [name for name, x in module.named_parameters() if id(x) not in inside] if modules else []
        self.check(
            {
                "has another model than run.model: give its LightningModule run.model": (
                    not any(one is run.model for one in modules)
                ),
                f"trains {''.join(outside[:1])}, which is not in run.model and is not rewound": bool(outside),
                f"runs in {trainer.world_size} processes, and a search trains in one": trainer.world_size > 1,
                "has overfit_batches, which takes the order of batches from it": trainer.overfit_batches > 0,
            }
        )
        self.check_device(trainer.strategy.root_device, run.device, "accelerator='cpu', or the search device='cuda'")
        return trainer, module, tuple(data)
