"""The gradient norm is that of the subnetwork's loss, and looking changes nothing."""

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from lth.analysis.gradient import GradientNorm, gradient_norm
from lth.core.rng import rng
from lth.core.weights import Mask, digest, load, masked
from lth.data.tensors import Data, Split
from lth.training.gradient import batch_statistics, examples
from lth.training.loop import train
from lth.training.run_spec import RunSpec


def by_backward(model: nn.Module, mask: Mask, split: Split) -> dict[str, float]:
    """The norms as `.backward()` gives them, in whatever mode the model is."""
    model.zero_grad()
    cross_entropy(model(split.images), split.labels).backward()
    gradients = {name: p.grad.double() for name, p in model.named_parameters() if p.grad is not None}
    return {name: (g * mask[name] if name in mask else g).norm().item() for name, g in gradients.items()}


def total(norms: dict[str, float]) -> float:
    return math.sqrt(sum(norm**2 for name, norm in norms.items() if name != "total"))


@pytest.mark.parametrize("pruned", [False, True])
def test_it_is_the_norm_of_backward_without_pruned_weights(
    make_network: Callable[[], nn.Module], half_mask: Callable[[nn.Module], Mask], data: Data, pruned: bool
) -> None:
    model = make_network()
    mask = half_mask(model) if pruned else {}
    load(model, masked(model.state_dict(), mask))
    norms, expected = gradient_norm(model, mask, data.train), by_backward(copy.deepcopy(model), mask, data.train)
    assert set(norms) == {*expected, "total"} and norms == pytest.approx(expected | {"total": total(norms)}, rel=1e-4)


def test_it_is_the_formula_of_logistic_regression(data: Data) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
    x, y = data.train.images.flatten(1).double(), nn.functional.one_hot(data.train.labels, 3).double()
    logits = x @ model[1].weight.double().T + model[1].bias.double()
    gradient = (logits.softmax(1) - y).T @ x / len(x)
    mask = {"1.weight": torch.rand(3, 36, generator=rng(0)) < 0.5}
    measured = gradient_norm(model, mask, data.train)["1.weight"]
    assert measured == pytest.approx(gradient[mask["1.weight"]].norm().item(), rel=1e-5)


def test_dropout_is_off_and_batch_norm_normalises_by_its_batch(
    make_rich_network: Callable[[], nn.Module], data: Data
) -> None:
    model = make_rich_network()
    plain = copy.deepcopy(model).train()
    plain[4].p = 0.0
    expected = by_backward(plain, {}, data.train)
    for mode in (True, False):
        norms = gradient_norm(model.train(mode), {}, data.train)
        assert norms == pytest.approx(expected | {"total": total(expected)}, rel=1e-4)


def test_a_measurement_changes_nothing(
    used_network: nn.Module, unchanged: Callable[..., Any], half_mask: Callable[[nn.Module], Mask], data: Data
) -> None:
    mask = half_mask(used_network)
    with unchanged(used_network, mask):
        first = gradient_norm(used_network, mask, data.train)
    assert gradient_norm(used_network, mask, data.train) == first


def test_modes_and_buffers_are_put_back_after_an_error(make_rich_network: Callable[[], nn.Module], data: Data) -> None:
    model = make_rich_network().train()
    before = digest(model.state_dict())
    with pytest.raises(KeyError), batch_statistics(model):
        model(data.train.images)
        assert digest(model.state_dict()) != before
        raise KeyError
    assert digest(model.state_dict()) == before and all(module.training for module in model.modules())


def test_frozen_parameters_have_no_norm(make_network: Callable[[], nn.Module], data: Data) -> None:
    model = make_network()
    model.fc1.requires_grad_(False)
    norms = gradient_norm(model, {"fc1.weight": torch.ones(12, 36, dtype=torch.bool)}, data.train)
    assert set(norms) == {"fc2.weight", "fc2.bias", "output.weight", "output.bias", "total"}


def test_the_examples_are_fixed_and_of_the_split() -> None:
    large = Split(torch.arange(1500.0), torch.arange(1500))
    chosen = examples(large)
    assert len(chosen) == 1000 == len(set(chosen.labels.tolist())) and chosen.images.tolist() == chosen.labels.tolist()
    torch.rand(3)
    assert torch.equal(examples(large).labels, chosen.labels)
    assert sorted(examples(Split(torch.arange(7.0), torch.arange(7))).labels.tolist()) == list(range(7))


def test_an_observer_sees_the_subnetwork_without_weight_decay(
    make_job: Callable[..., RunSpec], half_mask: Callable[[nn.Module], Mask]
) -> None:
    spec = make_job(weight_decay=0.5, decay="all")
    spec = replace(spec, mask=half_mask(spec.model))
    observer = GradientNorm(every=10)
    result = train(spec, [observer])
    norms = dict(result.observed[observer.key])
    assert list(norms) == [0, 10, 20, 30]
    for iteration, state in ((0, masked(spec.initial_state, spec.mask)), (30, result.final)):
        load(spec.model, state)
        expected = by_backward(copy.deepcopy(spec.model), spec.mask, spec.data.train)
        assert norms[iteration] == pytest.approx(expected | {"total": total(expected)}, rel=1e-4)


def test_observing_changes_no_bit_of_the_training(
    make_job: Callable[..., RunSpec], make_rich_network: Callable[[], nn.Module]
) -> None:
    spec = make_job(model=make_rich_network())
    first, second = train(spec), train(spec, [GradientNorm(every=1)])
    assert digest(first.final) == digest(second.final) and first.points == second.points


def test_one_observer_serves_two_data_sets_and_its_key_tells_its_arguments(
    make_job: Callable[..., RunSpec], make_data: Callable[..., Data]
) -> None:
    observer, jobs = GradientNorm(0), [make_job(), make_job(data=make_data(normalize="none"))]
    assert observer(jobs[0].model, jobs[0]) == GradientNorm(0)(jobs[0].model, jobs[0])
    assert observer(jobs[0].model, jobs[1]) == GradientNorm(0)(jobs[0].model, jobs[1])
    assert GradientNorm(1).key != observer.key == GradientNorm(0).key
