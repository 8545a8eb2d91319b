"""Dense chains train by hand to the bits of autograd."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lth.core.seeds import Seeds
from lth.core.weights import Mask, clone, digest
from lth.data.tensors import Data, Split
from lth.kernels.chain import chain_of
from lth.models.lenet import lenet_300_100, mlp
from lth.training import kernels
from lth.training.dense_chain_steps import DenseChainSteps
from lth.training.loop import train
from lth.training.recipe import Recipe, plan
from lth.training.run_spec import RunSpec
from lth.training.steps import DenseSteps


@settings(max_examples=30)
@given(
    st.lists(st.integers(1, 40), max_size=3), st.integers(1, 6), st.sampled_from([1, 2, 7, 16, 60, 129]), st.booleans()
)
def test_gradients_have_the_bits_of_autograd(widths: list[int], classes: int, batch: int, biased: bool) -> None:
    torch.manual_seed(batch)
    model = mlp((1, 5, 5), classes, widths)
    if not biased:
        model.output.bias = None
    compare(model, torch.randn(batch, 1, 5, 5), torch.randint(classes, (batch,)))


def test_gradients_of_lenet_have_the_bits_of_autograd() -> None:
    torch.manual_seed(0)
    compare(lenet_300_100((1, 28, 28), 10), torch.randn(60, 1, 28, 28), torch.randint(10, (60,)))


def compare(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> None:
    """Two passes each, so that gradients that are there already are replaced."""
    split = Split(images, labels)
    data = Data("noise", split, split, split, 10)
    spec = RunSpec(
        model, clone(model.state_dict()), {}, data, plan(Recipe(batch_size=1), len(labels)), Seeds().resolved()
    )
    results = []
    for steps in (DenseSteps(spec), DenseChainSteps(spec, chain_of(model, images[:2]))):
        for parameter in model.parameters():
            parameter.grad = None
        for _ in range(2):
            loss = steps.pass_through(images, labels)
        results.append((loss.detach().clone(), [p.grad.clone() for p in model.parameters()]))
    (loss, gradients), (loss_by_hand, by_hand) = results
    assert torch.equal(loss, loss_by_hand)
    assert all(torch.equal(first, second) for first, second in zip(gradients, by_hand, strict=True))


@pytest.mark.parametrize("recipe", [{}, {"optimizer": "sgd", "lr": 0.05, "weight_decay": 0.01, "schedule": "cosine"}])
def test_a_training_has_the_bits_of_autograd(
    make_job: Callable[..., RunSpec],
    half_mask: Callable[[nn.Module], Mask],
    monkeypatch: pytest.MonkeyPatch,
    recipe: dict,
) -> None:
    spec = make_job(**recipe)
    spec = replace(spec, mask=half_mask(spec.model))
    assert isinstance(kernels.steps_of(spec, {}), DenseChainSteps)
    by_hand = train(spec)
    monkeypatch.setattr(kernels, "_dense", DenseSteps)
    plain = train(spec)
    assert digest(by_hand.final) == digest(plain.final)
    assert by_hand.points == plain.points


def test_a_network_of_a_users_own_is_left_to_autograd(make_job: Callable[..., RunSpec]) -> None:
    class Own(nn.Sequential):
        pass

    spec = make_job(model=Own(nn.Flatten(), nn.Linear(36, 3)))
    assert type(kernels.steps_of(spec, {})) is DenseSteps
