"""A mask in Lightning's Trainer is held while it fits, whatever steps its optimisers."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import lth
from lth.core.weights import Mask, clone

lightning = pytest.importorskip("lightning.pytorch")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # Lightning warns of what it uses itself


class Regression(lightning.LightningModule):
    """A network of two layers, each with an optimiser of its own where it is stepped by hand."""

    def __init__(self, manual: bool = False) -> None:
        super().__init__()
        self.automatic_optimization = not manual
        self.network = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
        self.mask: Mask = {}
        self.fails = False

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Pruned weights are zero before each step."""
        assert not pruned(self.network, self.mask).any()
        assert not self.fails, "as asked"
        loss = functional.mse_loss(self.network(batch[0]), batch[1])
        if not self.automatic_optimization:
            for optimizer in self.optimizers():
                optimizer.zero_grad()
            self.manual_backward(loss)
            for optimizer in self.optimizers():
                optimizer.step()
        return loss

    def configure_optimizers(self) -> Any:
        """One, or one a layer."""
        parts = [self.network] if self.automatic_optimization else [self.network[0], self.network[2]]
        made = [torch.optim.AdamW(part.parameters(), lr=0.01, weight_decay=0.1) for part in parts]
        return made[0] if self.automatic_optimization else made


def pruned(model: nn.Module, mask: Mask) -> Tensor:
    """The weights that `mask` prunes."""
    return torch.cat([torch.zeros(0), *(model.get_parameter(name)[~kept] for name, kept in mask.items())])


def fit(module: Any, *callbacks: Any, **settings: Any) -> None:
    """Four steps."""
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    batches = [(torch.randn(8, 6), torch.randn(8, 3)) for _ in range(10)]
    trainer = lightning.Trainer(max_steps=4, enable_checkpointing=False, callbacks=list(callbacks), **quiet, **settings)
    trainer.fit(module, torch.utils.data.DataLoader(batches, batch_size=None))


@pytest.mark.parametrize("manual", [False, True])
def test_a_mask_is_held_while_lightning_fits(manual: bool, tmp_path: Path) -> None:
    from lth.integrations.lightning import TicketCallback

    module = Regression(manual)
    module.mask = lth.prune(module.network, 0.5)
    ticket = lth.Ticket(module.mask, clone(module.network.state_dict()))
    callback = TicketCallback(ticket.save(tmp_path / "ticket.safetensors"), part="network")
    before = clone(module.state_dict())
    fit(module, callback, **({} if manual else {"gradient_clip_val": 0.1, "accumulate_grad_batches": 2}))
    assert not pruned(module.network, module.mask).any() and module.state_dict().keys() == before.keys()
    assert all((weight != before[f"network.{name}"]).any() for name, weight in module.network.named_parameters())
    assert callback.held is None and not any(x._post_accumulate_grad_hooks for x in module.parameters())


def test_an_error_ends_the_hold() -> None:
    from lth.integrations.lightning import TicketCallback

    module = Regression()
    mask = {f"network.{name}": kept for name, kept in lth.prune(module.network, 0.5).items()}
    module.fails, callback = True, TicketCallback(mask)
    with pytest.raises(AssertionError, match="as asked"):
        fit(module, callback)
    assert callback.held is None
    module.fails = False
    fit(module, callback)
    assert not pruned(module, mask).any()
