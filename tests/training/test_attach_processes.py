"""A mask held in several processes that train one network: pruned weights are zero in each, and replicas equal."""

from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = """
import sys
import torch
from torch import distributed, nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel
import lth

way, rank, file = sys.argv[1], int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(1)
distributed.init_process_group("gloo", f"file://{file}", rank=rank, world_size=2)
torch.manual_seed(0)
network = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
parts = list(network)
mask = {name: torch.rand(x.shape) < 0.5 for name, x in network.named_parameters() if x.ndim == 2}
if way == "sharded":
    mesh = distributed.device_mesh.init_device_mesh("cpu", (2,))
    for part in (parts[0], parts[2], network):
        model = fully_shard(part, mesh=mesh)
else:
    model = DistributedDataParallel(network, gradient_as_bucket_view=way == "buckets")
whole = lambda x: (x.full_tensor() if way == "sharded" else x).detach().clone()
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
held = lth.attach(model, optimizer, mask)
for step in range(4):
    torch.manual_seed(2 * step + rank)
    model.zero_grad()
    model(torch.randn(8, 6)).square().mean().backward()
    nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    optimizer.step()
    if step == 1:
        mask = {name: kept.roll(1) for name, kept in mask.items()}
        held.set_mask(mask)
    for name, kept in mask.items():
        weight = network.get_parameter(name)
        for tensor in (weight, weight.grad, optimizer.state[weight]["exp_avg"]):
            assert not whole(tensor)[~kept].any(), (name, step)
            assert whole(tensor)[kept].any(), (name, step)
for weight in map(whole, model.parameters()):
    first = weight.clone()
    distributed.broadcast(first, 0)
    assert torch.equal(first, weight)
print(sum(whole(x).square().sum() for x in model.parameters()).item())
distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_pruned_weights_are_zero_in_every_process_and_replicas_equal(begin: Callable, tmp_path: Path) -> None:
    running = [
        (way, begin(way, str(rank), str(tmp_path / way), cwd=tmp_path, code=SCRIPT))
        for way in ("copies", "buckets", "sharded")
        for rank in range(2)
    ]
    norms = {}
    for way, process in running:
        done = process.wait()
        assert done.returncode == 0, f"{way}: {done.stderr}"
        norms.setdefault(way, set()).add(round(float(done.stdout), 4))
    assert len(set().union(*norms.values())) == 1, norms  # sharded or not, it is one training
