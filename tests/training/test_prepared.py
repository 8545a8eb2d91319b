"""Prepared steps are torch's to the bit, whatever happens in between."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from lth.core.weights import digest
from lth.models.lenet import mlp
from lth.training.optimizer import make_optimizer, optimizer_tensors, restore_optimizer
from lth.training.prepared import PreparedStep
from lth.training.recipe import Recipe, plan

RECIPES: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": "sgd", "momentum": 0.0},
    "decay": {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.1},
    "nesterov": {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "decay": "all"},
    "adam": {"optimizer": "adam"},
    "adam_decay": {"optimizer": "adam", "weight_decay": 0.1},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.1, "decay": "all"},
}


def gradients(model: nn.Module, number: int, without: str = "") -> None:
    """The gradients of step `number`; the parameters whose name begins with `without` have none."""
    torch.manual_seed(number)
    for name, parameter in model.named_parameters():
        parameter.grad = None if without and name.startswith(without) else torch.randn_like(parameter)


@pytest.mark.parametrize("unused", [(), (0,), (3, 4), range(9)], ids=["none", "first", "some", "all"])
@pytest.mark.parametrize("name", RECIPES)
def test_prepared_steps_are_torchs(name: str, unused: Any) -> None:
    """Under a rate that changes, without some gradients, and after the optimiser's state was loaded."""
    if unused == (0,) and name == "nesterov":
        pytest.skip("torch's own step fails there")
    how = plan(Recipe(lr=0.01, **RECIPES[name]), 1000, 0)
    models = [mlp((1, 6, 6), 3, (12, 8)) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    optimizers = [make_optimizer(model, how) for model in models]
    updates: list[Any] = [PreparedStep(optimizers[0]), optimizers[1].step]
    for number in range(9):
        if number == 6:
            optimizers = [make_optimizer(model, how) for model in models]
            restore_optimizer(optimizers[0], copy.deepcopy(optimizer_tensors(updates[0].optimizer)))
            updates[0].optimizer.load_state_dict(optimizers[0].state_dict())
        for group in [*updates[0].optimizer.param_groups, *updates[1].__self__.param_groups]:
            group["lr"] = 0.01 / (number + 1)
        for model, update in zip(models, updates, strict=True):
            gradients(model, number, "fc1" if number in unused else "")
            update()
    assert digest(models[0].state_dict()) == digest(models[1].state_dict())
    states = [optimizer_tensors(optimizer) for optimizer in (updates[0].optimizer, updates[1].__self__)]
    assert digest(states[0]) == digest(states[1])
    stateless = how.optimizer == "sgd" and how.momentum == 0
    assert (updates[0].state is None) == (unused == range(9) and not stateless)


def test_hooks_of_a_prepared_optimizer_are_called() -> None:
    model, calls = mlp((1, 6, 6), 3, (12, 8)), list[str]()
    update = PreparedStep(make_optimizer(model, plan(Recipe(), 1000, 0)))
    update.optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    for number in range(3):
        gradients(model, number)
        update()
    assert calls == ["before"] * 3
