"""A measurement leaves the network, its states and torch's random generator as they were."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import torch
from torch import Tensor, nn

from lth.core.weights import digest


@pytest.fixture
def used_network(make_rich_network: Callable[[], nn.Module]) -> nn.Module:
    """A network in training mode but for its BatchNorm and dropout, with a gradient of 7 at every parameter."""
    model = make_rich_network().train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.Dropout):
            module.eval()
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 7)
    return model


@pytest.fixture(scope="session")
def unchanged() -> Callable[..., AbstractContextManager[None]]:
    """`with unchanged(model, *states):` asserts that model, states, masks and torch's generator stay as they are."""

    def everything(model: nn.Module, states: tuple[dict[str, Tensor], ...]) -> list[object]:
        return [
            digest(model.state_dict()),
            [(digest({name: x.grad}), x.requires_grad) for name, x in model.named_parameters() if x.grad is not None],
            [(part.training, len(part._forward_hooks), getattr(part, "momentum", None)) for part in model.modules()],
            [(digest(state), [tensor.requires_grad for tensor in state.values()]) for state in states],
            torch.get_rng_state().tolist(),
        ]

    @contextmanager
    def check(model: nn.Module, *states: dict[str, Tensor]) -> Iterator[None]:
        before = everything(model, states)
        yield
        assert everything(model, states) == before

    return check
