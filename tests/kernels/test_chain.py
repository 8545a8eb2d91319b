"""Chains: which networks are one, and that an iteration is that of torch's layers, autograd and optimisers."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from lth.kernels import TOLERANCE
from lth.kernels.chain import Chain, chain_of
from lth.models.lenet import lenet5, mlp

DENSITIES = st.sampled_from([0.0, 0.03, 0.3, 1.0])
BETAS = (0.9, 0.999)
STILL = (0, 0.0, False, 0.0, 0.0, *BETAS)
"""Adam, without weight decay."""
OPTIMIZERS = {
    "adam": (0, torch.optim.Adam, {}),
    "adamw": (1, torch.optim.AdamW, {}),
    "betas": (1, torch.optim.AdamW, {"betas": (0.8, 0.98)}),
    "sgd": (2, torch.optim.SGD, {}),
    "momentum": (2, torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (2, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
}


def close(result: Tensor, exact: Tensor) -> bool:
    """Sums over a batch may cancel: what they are of is at most 1."""
    return bool((result - exact).abs().max() <= TOLERANCE * max(float(exact.abs().max()), 0.1))


def network(widths: list[int], densities: list[float], seed: int) -> tuple[nn.Sequential, list[Tensor]]:
    """Linear layers with a ReLU between each two, and masks of their weights, by which these are masked."""
    torch.manual_seed(seed)
    linears = [nn.Linear(before, after) for before, after in pairwise(widths)]
    masks = [torch.rand(x.weight.shape) < density for x, density in zip(linears, densities, strict=True)]
    for linear, mask in zip(linears, masks, strict=True):
        linear.weight.data.mul_(mask)
    return nn.Sequential(*[x for linear in linears for x in (linear, nn.ReLU())][:-1]).double(), masks


def flat(tensors: list[Tensor], masks: list[Tensor]) -> Tensor:
    """Weights and biases in turn, as a chain holds them: kept weights, then biases."""
    weights = [tensor[mask] for tensor, mask in zip(tensors[::2], masks, strict=True)]
    return torch.cat([*weights, *tensors[1::2]])


@settings(max_examples=30)
@given(
    st.lists(st.integers(1, 20), min_size=2, max_size=5),
    st.lists(DENSITIES, min_size=4, max_size=4),
    st.sampled_from([1, 2, 7, 8, 9, 31, 60, 64, 100, 130]),
    st.integers(0, 9),
)
def test_an_iteration_is_that_of_dense_layers(widths: list[int], densities: list[float], batch: int, seed: int) -> None:
    model, masks = network(widths, densities[: len(widths) - 1], seed)
    images, labels = torch.randn(batch + 5, widths[0]), torch.randint(widths[-1], (batch + 5,))
    examples = torch.randperm(batch + 5)[:batch]
    loss = functional.cross_entropy(model(images[examples].double()), labels[examples])
    loss.backward()
    chain = Chain(masks, [True] * len(masks), batch)
    chain.weights.copy_(flat([p.detach() for p in model.parameters()], masks))
    assert close(chain.outputs(images).double(), model(images.double()).detach())
    total = torch.zeros(())
    chain.iterate(total, images.numpy(), labels.numpy(), examples[None].numpy(), np.zeros(1), 0, STILL)
    assert abs(float(total) - float(loss.detach())) <= TOLERANCE * max(1.0, float(loss.detach()))
    assert close(chain.gradients.double(), flat([p.grad for p in model.parameters()], masks))


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("decays", [(0.0, 0.0), (0.1, 0.0), (0.1, 0.1)])
def test_steps_are_torchs(name: str, decays: tuple[float, float]) -> None:
    kind, optimizer, how = OPTIMIZERS[name]
    _, masks = network([6, 5, 3], [0.5, 0.5], 0)
    chain = Chain(masks, [True, True], 8)
    chain.weights.normal_()
    parts = (slice(0, chain.kept), slice(chain.kept, None))
    parameters = [nn.Parameter(chain.weights[part].clone()) for part in parts]
    groups = [{"params": [x], "weight_decay": decay} for x, decay in zip(parameters, decays, strict=True)]
    torchs = optimizer(groups, lr=0.01, **how)
    images, labels = torch.randn(8, 6).numpy(), torch.randint(3, (8,)).numpy()
    settings = (kind, how.get("momentum", 0.0), how.get("nesterov", False), *decays, *how.get("betas", BETAS))
    for count in range(4):
        chain.iterate(torch.zeros(()), images, labels, np.arange(8)[None], np.full(1, 0.01), count, settings)
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = chain.gradients[part].clone()
        torchs.step()
        for parameter, part in zip(parameters, parts, strict=True):
            assert torch.allclose(chain.weights[part], parameter.detach(), rtol=1e-5, atol=1e-7)


def test_nan_stays_nan() -> None:
    _, masks = network([4, 3, 2], [1.0, 1.0], 0)
    chain = Chain(masks, [True, True], 4)
    chain.weights.normal_()
    chain.weights[0] = float("nan")
    images = torch.ones(4, 4)
    assert chain.outputs(images).isnan().all()
    total = torch.zeros(())
    chain.iterate(total, images.numpy(), np.zeros(4, int), np.arange(4)[None], np.zeros(1), 0, STILL)
    assert total.isnan()


def test_steps_taken_at_once_are_those_taken_one_by_one() -> None:
    _, masks = network([6, 5, 3], [0.5, 0.5], 0)
    images, labels = torch.randn(20, 6).numpy(), torch.randint(3, (20,)).numpy()
    examples, rates = np.arange(20).reshape(4, 5), np.array([0.1, 0.01, 0.2, 0.03])
    once, each = Chain(masks, [True, True], 5), Chain(masks, [True, True], 5)
    once.weights.normal_()
    each.weights.copy_(once.weights)
    settings = (0, 0.0, False, 0.1, 0.0, *BETAS)
    totals = torch.zeros(()), torch.zeros(())
    once.iterate(totals[0], images, labels, examples, rates, 0, settings)
    for n in range(4):
        each.iterate(totals[1], images, labels, examples[n : n + 1], rates[n : n + 1], n, settings)
    assert torch.equal(once.weights, each.weights) and totals[0] == totals[1]


class Own(nn.Module):
    """A chain as its user writes it; `do` is called with the activations."""

    def __init__(self, do=lambda x: None, unbiased: bool = False) -> None:
        super().__init__()
        self.fc1, self.fc2, self.do = nn.Linear(36, 5, bias=not unbiased), nn.Linear(5, 3), do
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.fc1(x.view(x.size(0), -1)))
        self.do(self)
        return self.fc2(x)


def shared() -> nn.Module:
    model = mlp((1, 6, 6), 3, (5, 5))
    model.output = nn.Linear(5, 5)
    model.output.weight = model.fc2.weight
    return model


def hooked() -> nn.Module:
    model = mlp((1, 6, 6), 3, (5,))
    model.fc1.register_forward_hook(lambda *_: None)
    return model


def frozen() -> nn.Module:
    model = mlp((1, 6, 6), 3, (5,))
    model.fc1.bias.requires_grad_(False)
    return model


def fails(model: Own) -> None:
    raise KeyError("nothing of this")


def counts(model: Own) -> None:
    model.calls += 1


CHAINS = [mlp((1, 6, 6), 3, ()), mlp((1, 6, 6), 3, (5, 4)), Own(), Own(unbiased=True), nn.Sequential(Own())]
OTHERS = {
    "convolutions": lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(32, 3)),
    "dropout": lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 5), nn.Dropout(0.1), nn.ReLU(), nn.Linear(5, 3)),
    "another activation": lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 5), nn.Tanh(), nn.Linear(5, 3)),
    "no activation": lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 5), nn.Linear(5, 3)),
    "ReLU first": lambda: nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(36, 3)),
    "ReLU last": lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 3), nn.ReLU()),
    "BatchNorm": lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 3), nn.BatchNorm1d(3)),
    "a buffer": lambda: (x := mlp((1, 6, 6), 3, ())).register_buffer("b", torch.zeros(1)) or x,
    "float64": lambda: mlp((1, 6, 6), 3, (5,)).double(),
    "an error": lambda: Own(fails),
    "a counter": lambda: Own(counts),
    "a regulariser": lambda: Own(lambda model: model.fc1.weight.norm()),
    "shared weights": shared,
    "a hook": hooked,
    "a frozen bias": frozen,
}


@pytest.mark.parametrize("model", CHAINS)
def test_chains_are_known(model: nn.Module) -> None:
    names = [name for layer in chain_of(model, torch.randn(2, 1, 6, 6)) for name in (layer.weight, layer.bias) if name]
    assert names == list(dict(model.named_parameters()))


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_anything_else_is_no_chain(make) -> None:
    model = make()
    images = torch.randn(2, 1, 6, 6, dtype=next(model.parameters()).dtype)
    assert chain_of(model, images) == [] and getattr(model, "calls", 0) == 0


def test_lenet5_is_no_chain() -> None:
    assert chain_of(lenet5((1, 28, 28), 10), torch.randn(2, 1, 28, 28)) == []
