"""One training takes at most eight times the memory of its parameters, writing checkpoints and its result included."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lth.models.lenet import mlp
from lth.store.runs import Store
from lth.training.run_spec import RunSpec
from tests.kills import ended, forked

AT_MOST = 8


def peak() -> int:
    """The most bytes of memory that this process has had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


@pytest.mark.slow
def test_a_training_takes_eight_times_its_parameters(make_job: Callable[..., RunSpec], tmp_path: Path) -> None:
    """Tensors as large as these get memory of their own from the system, which gets it back."""

    def train() -> None:
        store = Store(tmp_path, checkpoint_seconds=0.0)
        store.train(make_job(iterations=2, kernels="dense"))
        before = peak()
        model = mlp((1, 6, 6), 3, (3000, 3000))
        size = sum(4 * parameter.numel() for parameter in model.parameters())
        start = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        masks = {name: torch.arange(x.numel()).view(x.shape) % 5 < 2 for name, x in start.items() if x.ndim == 2}
        how = {"iterations": 2, "evaluate_every": 1, "lr": 1e-5, "kernels": "dense"}
        store.train(make_job(model=model, initial_state=start, mask=masks, **how))
        times = (peak() - before) / size
        assert times <= AT_MOST, f"{times:.2f} times the parameters"

    assert ended(forked(train)) == 0
