"""Products, eigenvalues and moments against the exact Hessian of small networks."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import linalg
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from lth.analysis.curvature import Hessian, Spectrum, extreme_eigenvalues, lanczos, spectrum
from lth.core.errors import LotteryError
from lth.core.rng import rng
from lth.core.weights import Mask, State, masked
from lth.data.tensors import Data, Split
from lth.models.initialize import initialize
from lth.models.lenet import mlp
from lth.models.transformer import Transformer

SMALL = (1, 6, 6), 3, (4,)


def exact(model: nn.Module, state: State, split: Split, mask: Mask) -> np.ndarray:
    """The Hessian by automatic differentiation of the loss as a function of one vector, in float64."""
    model = model.double().eval()
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    kept = torch.cat([mask.get(name, torch.ones_like(state[name]).bool()).flatten() for name in names])
    fixed = {name: tensor.double() for name, tensor in masked(state, mask).items() if tensor.is_floating_point()}
    vector_of_all = torch.cat([fixed[name].flatten() for name in names])

    def loss(vector: Tensor) -> Tensor:
        full = vector_of_all.masked_scatter(kept, vector).split([state[name].numel() for name in names])
        tensors = {name: part.view_as(state[name]) for name, part in zip(names, full, strict=True)}
        return cross_entropy(functional_call(model, fixed | tensors, (split.images.double(),)), split.labels)

    result = torch.autograd.functional.hessian(loss, vector_of_all[kept]).numpy()
    model.float()
    return result


@pytest.fixture(scope="module")
def case(data: Data, half_mask: Callable[[nn.Module], Mask]) -> tuple[nn.Module, State, Mask, np.ndarray]:
    """A small network somewhere with curvature, half of it pruned, and its exact Hessian on the training split."""
    model = mlp(*SMALL)
    state, mask = initialize(model, "glorot_normal", 0), half_mask(model)
    return model, state, mask, exact(model, state, data.train, mask)


Case = tuple[nn.Module, State, Mask, np.ndarray]


def test_the_matrix_is_the_exact_one_of_kept_weights_and_biases(case: Case, data: Data) -> None:
    model, state, mask, expected = case
    hessian = Hessian(model, state, data.train, mask)
    assert hessian.size == sum(int(kept.sum()) for kept in mask.values()) + 4 + 3 == len(expected)
    assert np.abs(hessian.matrix() - expected).max() < 1e-6 * np.abs(expected).max()
    double = Hessian(model, state, data.train, mask, dtype=torch.float64, keep_graph=True).matrix()
    assert np.abs(double - expected).max() < 1e-14 * len(expected) and np.array_equal(double, double.T)


def test_extreme_eigenvalues_are_those_of_the_exact_matrix(case: Case, data: Data) -> None:
    model, state, mask, expected = case
    hessian, values = Hessian(model, state, data.train, mask), np.linalg.eigvalsh(expected)
    ends = extreme_eigenvalues(hessian, largest=5, smallest=3)
    assert ends.largest == pytest.approx(values[::-1][:5], rel=1e-4)
    assert ends.smallest == pytest.approx(values[:3], rel=1e-4) and values[0] < 0
    again = extreme_eigenvalues(hessian, largest=5, smallest=0)
    assert again.largest == pytest.approx(values[::-1][:5], rel=1e-4) and not len(again.smallest)
    nearly_all = extreme_eigenvalues(hessian, largest=len(values), smallest=1)
    assert nearly_all.largest == pytest.approx(values[::-1], abs=1e-6 * values[-1])


def test_the_moments_of_the_density_are_the_traces(case: Case, data: Data) -> None:
    model, state, mask, expected = case
    hessian = Hessian(model, state, data.train, mask, keep_graph=True)
    values = np.linalg.eigvalsh(expected)
    units = [lanczos(hessian.product, unit, 3) for unit in np.eye(hessian.size)]  # all of them: no chance is left
    nodes, weights = (np.concatenate(parts) for parts in zip(*units, strict=True))
    density = Spectrum(nodes, weights / hessian.size, hessian.size)
    assert density.weights.sum() == pytest.approx(1)
    assert density.trace() == pytest.approx(values.sum(), rel=1e-4)
    assert density.trace(2) == pytest.approx((values**2).sum(), rel=1e-4)
    drawn = spectrum(hessian, steps=15, probes=30)
    spread = np.sqrt(2 * (values**2).sum() / 30)  # the standard error of the result, from the variance of v'Hv
    assert drawn.trace() == pytest.approx(values.sum(), abs=4 * spread)
    assert drawn.trace(2) == pytest.approx((values**2).sum(), abs=4 * np.sqrt(2 * (values**4).sum() / 30))
    assert drawn.nodes.max() == pytest.approx(values[-1], rel=1e-4)
    assert drawn.nodes.min() == pytest.approx(values[0], rel=1e-3)


def test_the_density_is_the_smoothed_histogram(case: Case, data: Data) -> None:
    model, state, mask, expected = case
    hessian, values = Hessian(model, state, data.train, mask, keep_graph=True), np.linalg.eigvalsh(expected)
    estimate = spectrum(hessian, steps=25, probes=30)
    grid = estimate.grid(2_000)
    density = estimate.density(grid)
    step = grid[1] - grid[0]
    assert density.sum() * step == pytest.approx(1, rel=1e-3) and (density >= 0).all()
    wide = 0.05 * np.ptp(values)
    truth = Spectrum(values, np.full(len(values), 1 / len(values)), len(values)).density(grid, wide)
    assert np.abs(estimate.density(grid, wide) - truth).sum() * step < 0.1
    again = spectrum(hessian, steps=25, probes=1)
    assert np.array_equal(again.nodes, estimate.nodes[:25])  # each probe is drawn by its number


def test_a_quadratic_has_its_closed_form() -> None:
    values = np.array([-3.0, 0, 0, 1, 5, 5, 9])
    turn = np.linalg.qr(torch.randn(7, 7, generator=rng(0), dtype=torch.float64).numpy())[0]
    matrix = turn @ np.diag(values) @ turn.T
    nodes, weights = lanczos(lambda v: matrix @ v, turn.sum(1), 50)
    assert nodes == pytest.approx(np.unique(values), abs=1e-9)  # the space ends after as many steps as there are values
    assert weights == pytest.approx(np.array([1, 2, 1, 2, 1]) / 7, abs=1e-9)
    few = lanczos(lambda v: matrix @ v, turn.sum(1), 2)
    assert [few[1] @ few[0] ** power for power in range(4)] == pytest.approx([(values**p).mean() for p in range(4)])


def test_the_hessian_of_logistic_regression(data: Data) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 3, bias=False))
    state = initialize(model, "glorot_normal", 0)
    x = data.train.images.flatten(1).double().numpy()
    p = torch.from_numpy(x @ state["1.weight"].double().numpy().T).softmax(1).numpy()
    expected = np.einsum("nab,ni,nj->aibj", np.einsum("na,ab->nab", p, np.eye(3)) - p[:, :, None] * p[:, None], x, x)
    matrix = Hessian(model, state, data.train).matrix()
    assert matrix == pytest.approx(expected.reshape(108, 108) / len(x), abs=1e-6)


def test_batches_and_frozen_parameters_and_batch_norm(make_rich_network: Callable[[], nn.Module]) -> None:
    model = make_rich_network().train()
    state = initialize(model, "glorot_normal", 0) | {"1.running_mean": torch.ones(4)}
    model[5].weight.requires_grad_(False)
    split = Split(torch.randn(301, 1, 6, 6, generator=rng(0)), torch.randint(3, (301,), generator=rng(1)))
    hessian = Hessian(model, state, split)
    assert hessian.size == 36 + 4 + 4 + 3
    assert hessian.matrix() == pytest.approx(exact(model, state, split, {}), abs=1e-6)


def test_a_product_for_a_network_with_attention_is_that_of_differences_of_its_gradient() -> None:
    torch.manual_seed(0)
    model, tokens = Transformer(tokens=4, outputs=4, context=3, depth=1, width=4, heads=2), torch.randint(4, (12, 3))
    split = Split(tokens, tokens[:, 0])
    hessian = Hessian(model, model.state_dict(), split, {}, dtype=torch.float64)
    vector = torch.randn(hessian.size, generator=rng(1), dtype=torch.float64).numpy()
    product, step = hessian.product(vector), 1e-6
    model = model.double().eval()

    def gradient(shift: float) -> np.ndarray:
        parameters, moved = dict(model.named_parameters()), torch.from_numpy(shift * vector)
        parts = moved.split([x.numel() for x in parameters.values()])
        leaves = {
            name: (x.detach() + part.view_as(x)).requires_grad_()
            for (name, x), part in zip(parameters.items(), parts, strict=True)
        }
        loss = cross_entropy(functional_call(model, leaves, (tokens,)), split.labels)
        return torch.cat([x.flatten() for x in torch.autograd.grad(loss, list(leaves.values()))]).numpy()

    assert np.allclose(product, (gradient(step) - gradient(-step)) / (2 * step), rtol=1e-4, atol=1e-6)


def test_a_parameter_that_the_loss_does_not_know_has_zero_rows(data: Data) -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = nn.Linear(36, 3, bias=False), nn.Linear(2, 2)

        def forward(self, images: Tensor) -> Tensor:
            return self.used(images.flatten(1))

    model = Idle()
    product = Hessian(model, model.state_dict(), data.test).product(np.ones(108 + 6))
    assert product[:108].any() and not product[108:].any()


def test_a_measurement_changes_nothing(
    used_network: nn.Module, unchanged: Callable[..., Any], half_mask: Callable[[nn.Module], Mask], data: Data
) -> None:
    state, mask = initialize(used_network, "glorot_normal", 0), half_mask(used_network)
    with unchanged(used_network, state, mask):
        hessian = Hessian(used_network, state, data.test, mask)
        first = extreme_eigenvalues(hessian, 2, 2)
        nodes = spectrum(hessian, 3, 2).nodes
    assert np.array_equal(extreme_eigenvalues(hessian, 2, 2).smallest, first.smallest)
    assert np.array_equal(spectrum(hessian, 3, 2).nodes, nodes)


def test_what_cannot_be_computed_is_one_clear_line(case: Case, data: Data) -> None:
    model, state, mask, _ = case
    with pytest.raises(LotteryError, match="not finite"):
        spectrum(Hessian(model, state | {"fc1.bias": torch.full((4,), torch.nan)}, data.test))
    with pytest.raises(LotteryError, match=r"the mask does not fit: fc1.weight is \(2,\)"):
        Hessian(model, state, data.test, mask | {"fc1.weight": torch.ones(2).bool()})
    with pytest.raises(LotteryError, match="is missing in a state"):
        Hessian(model, {}, data.test)


def test_a_search_that_does_not_end_is_one_clear_line(case: Case, data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    def gives_up(*arguments: object, **keywords: object) -> None:
        raise linalg.ArpackNoConvergence("no convergence", np.zeros(1), np.zeros((1, 0)))

    monkeypatch.setattr(linalg, "eigsh", gives_up)
    with pytest.raises(LotteryError, match="1 of 3 eigenvalues converged to 1e-05"):
        extreme_eigenvalues(Hessian(*case[:2], data.test), 3, 0)
