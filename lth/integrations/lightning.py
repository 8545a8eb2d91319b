"""A mask held in the Trainer of Lightning: `pip install 'lth[lightning]'`."""

from collections.abc import Mapping
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from lth.lottery.ticket import load_ticket
from lth.training.attach import HasMask, HeldMask, attach


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
