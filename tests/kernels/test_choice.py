"""The choice between dense and sparse layers."""

import copy

import pytest
import torch
from torch import nn

from lth.kernels import choice, timing
from lth.kernels.choice import fastest


@pytest.fixture(autouse=True)
def times(monkeypatch):
    """Nothing was timed before."""
    monkeypatch.setattr(choice, "_times", {})
    monkeypatch.setattr(timing, "SECONDS", 0.001)
    return choice._times


def masks_of(model, density):
    generator = torch.Generator().manual_seed(0)
    return {n: torch.rand(p.shape, generator=generator) < density for n, p in model.named_parameters() if p.ndim > 1}


def test_a_very_sparse_layer_is_sparse_and_a_denser_one_is_not_timed(times, monkeypatch):
    model = nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 512))
    masks = masks_of(model, 0.01)
    masks["2.weight"] = torch.rand(512, 512) < 0.9
    monkeypatch.setattr(choice, "_gains", lambda *_: True)
    state = copy.deepcopy(model.state_dict())
    assert fastest(model, masks, torch.randn(64, 512)) == {"0.weight": "sparse", "2.weight": "dense"}
    assert len(times) == 2
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_equal_layers_are_timed_once(times):
    model = nn.Sequential(*(nn.Conv2d(4, 4, 3, padding=1) for _ in range(4)))
    masks = masks_of(model, 0.1)
    masks = dict.fromkeys(masks, masks["1.weight"])
    fastest(model, masks, torch.randn(8, 4, 9, 9))
    assert len(times) == 4  # of the first, whose inputs need no gradient, and of the others: dense and sparse


@pytest.mark.parametrize(("slow", "expected"), [("sparse", "dense"), ("dense", "sparse")])
def test_the_faster_is_chosen_for_layers_of_every_kind(monkeypatch, slow, expected):
    layers = [nn.Conv1d(2, 4, 3, 2), nn.Flatten(), nn.Unflatten(1, (4, 4, 1)), nn.Conv2d(4, 4, 1, bias=False)]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, 3))
    measured = choice.interleaved

    def slower(calls):
        return {name: time + 1000 * (name == slow) for name, time in measured(calls).items()}

    monkeypatch.setattr(choice, "interleaved", slower)
    chosen = fastest(model, masks_of(model, 0.3), torch.randn(8, 2, 9))
    assert set(chosen.values()) == {expected} or slow == "dense"
    if slow == "dense":  # a convolution has two dense layouts, and one was left fast
        assert chosen["0.weight"] == chosen["5.weight"] == "sparse"


def test_a_network_that_gains_nothing_stays_dense(monkeypatch):
    model = nn.Sequential(nn.Linear(256, 256), nn.Linear(256, 256))
    monkeypatch.setattr(choice, "_gains", lambda *_: False)
    assert set(fastest(model, masks_of(model, 0.01), torch.randn(64, 256)).values()) == {"dense"}


def test_what_is_not_eligible_is_dense():
    model = nn.LSTM(64, 64, batch_first=True)
    assert set(fastest(model, masks_of(model, 0.01), torch.randn(4, 3, 64)).values()) == {"dense"}
