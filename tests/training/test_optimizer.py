"""The optimisers of trainings are torch's, without what imports its compiler; their steps are compared in test_loop."""

import pytest
import torch

from lth.models.lenet import mlp
from lth.training.optimizer import make_optimizer
from lth.training.recipe import Recipe, plan

KINDS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


@pytest.fixture(params=KINDS)
def pair(request):
    """An optimiser after a step, and torch's own after the same one."""
    recipe = Recipe(optimizer=request.param, lr=0.1, **({"momentum": 0.9} if request.param == "sgd" else {}))
    model, twin = (mlp((1, 2, 2), 3, (4,)) for _ in range(2))
    twin.load_state_dict(model.state_dict())
    mine = make_optimizer(model, plan(recipe, 1000, 0))
    settings = {key: x for key, x in mine.param_groups[0].items() if key in ("lr", "weight_decay", "momentum")}
    torchs = KINDS[request.param](twin.parameters(), fused=True, **settings)
    for network, optimizer in ((model, mine), (twin, torchs)):
        network(torch.ones(1, 1, 2, 2)).square().sum().backward()
        optimizer.step()
    return mine, torchs


def test_they_are_torchs_to_the_bit(pair):
    mine, torchs = pair
    assert isinstance(mine, type(torchs))
    weights = [[x for group in optimizer.param_groups for x in group["params"]] for optimizer in pair]
    assert all(map(torch.equal, *weights))
    states = [optimizer.state_dict()["state"] for optimizer in pair]
    assert states[0].keys() == states[1].keys() and states[0][0].keys() == states[1][0].keys()
    torchs.load_state_dict(mine.state_dict())
    mine.load_state_dict(torchs.state_dict())
    assert mine.state_dict()["param_groups"] == torchs.state_dict()["param_groups"]


def test_hooks_on_their_steps_are_called_and_gradients_are_freed(pair):
    mine, _ = pair
    calls = []
    mine.register_step_pre_hook(lambda *_: calls.append("before"))
    mine.register_step_post_hook(lambda *_: calls.append("after"))
    assert mine.step() is None and calls == ["before", "after"]
    mine.zero_grad()
    assert all(x.grad is None for group in mine.param_groups for x in group["params"])
