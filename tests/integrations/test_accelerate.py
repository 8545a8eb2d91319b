"""What Accelerate prepares is held as it is: a wrapped optimiser is looked into."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.nn import functional

import lth
from lth.core.rng import rng

accelerate = pytest.importorskip("accelerate")
pytestmark = pytest.mark.slow  # the import alone takes seconds


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Accelerate knows its precision once a process."""
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)
    yield
    accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_a_mask_is_held_with_what_accelerate_prepares(precision: str) -> None:
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=2, mixed_precision=precision)
    network = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    mask = lth.prune(network, 0.5)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01, weight_decay=0.1)
    drawn = torch.randn(40, 9, generator=rng(0, "batch"))
    batches = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(drawn[:, :6], drawn[:, 6:]), 8)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer)
    model, wrapped, batches, schedule = accelerator.prepare(network, optimizer, batches, schedule)
    assert wrapped is not optimizer
    with lth.attach(model, wrapped, mask):
        for inputs, targets in batches:
            with accelerator.accumulate(model):
                accelerator.backward(functional.mse_loss(model(inputs), targets))
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(model.parameters(), 0.1)
                wrapped.step()
                schedule.step()
                wrapped.zero_grad()
            for name, kept in mask.items():
                memory = optimizer.state.get(network.get_parameter(name), {})
                for tensor in (network.get_parameter(name), *(x for x in memory.values() if x.ndim == 2)):
                    assert not tensor[~kept].any() and tensor[kept].any()
    assert len(optimizer.state) == 4
