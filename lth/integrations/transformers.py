"""A mask held in the Trainer of Hugging Face: `pip install 'lth[transformers]'`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer
from transformers import TrainerCallback

from lth.lottery.ticket import load_ticket
from lth.training.attach import HasMask, HeldMask, attach


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
