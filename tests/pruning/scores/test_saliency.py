"""SNIP, GraSP and SynFlow against their definitions, by other ways of computing; and the network stays as it was."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from lth.core.errors import LotteryError
from lth.core.rng import rng
from lth.core.weights import clone, digest
from lth.data.batches import scoring_examples
from lth.data.tensors import Data
from lth.models.initialize import initialize
from lth.models.lenet import mlp
from lth.models.modular import ModularMlp
from lth.models.transformer import Transformer
from lth.pruning.mask import dense, kept, prunable
from lth.pruning.resolved import prune_to, resolve
from lth.pruning.schedule import Pruning
from lth.pruning.scores import SCORES
from lth.pruning.scores.inputs import Network, ScoreInputs

OF_NETWORK = ["snip", "grasp", "grasp_magnitude", "synflow"]


def tiny() -> nn.Sequential:
    return mlp((1, 1, 4), 3, (3,))  # 12 + 9 weights


def score_inputs(model: nn.Module, images: torch.Tensor, labels: torch.Tensor, mask: dict | None = None) -> ScoreInputs:
    state = clone(model.state_dict())
    mask = mask or dense(prunable(model))
    weights = {name: state[name] for name in mask}
    return ScoreInputs(weights, mask, rng(0), None, Network(model, state, images, labels))


@pytest.fixture(scope="module")
def scored_model() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    model = tiny().double()
    model.load_state_dict(initialize(model, "glorot_normal", 3))
    images = torch.randn(20, 1, 1, 4, generator=rng(2), dtype=torch.float64)
    return model, images, torch.randint(3, (20,), generator=rng(1))


def test_snip_is_the_gradient_by_a_mask_of_ones(scored_model: tuple) -> None:
    """Lee et al. 2019, eq. 3 and 4: |dL / dc| where each weight is c * w."""
    model, images, labels = scored_model
    masks = {name: x.double().requires_grad_() for name, x in dense(prunable(model)).items()}
    parameters = dict(model.named_parameters())
    weights = {name: masks[name] * parameters[name].detach() for name in masks}
    loss = functional.cross_entropy(functional_call(model, weights, (images,)), labels)
    scores = SCORES.get("snip", "score")(score_inputs(model, images, labels))
    for name, gradient in zip(masks, torch.autograd.grad(loss, list(masks.values())), strict=True):
        assert torch.allclose(scores[name], gradient.abs(), rtol=1e-9) and scores[name].sum() > 0


def test_grasp_is_the_weight_times_the_whole_hessian_times_the_gradient(scored_model: tuple) -> None:
    """Wang et al. 2020, eq. 8, the Hessian written out; the temperature is that of the authors' code."""
    model, images, labels = scored_model
    layers = prunable(model)
    flat = torch.cat([model.state_dict()[layer.name].flatten() for layer in layers])

    def loss(vector: torch.Tensor) -> torch.Tensor:
        parts = vector.split([layer.size for layer in layers])
        weights = {x.name: part.reshape(x.shape) for x, part in zip(layers, parts, strict=True)}
        return functional.cross_entropy(functional_call(model, weights, (images,)) / 200, labels)

    hessian = torch.autograd.functional.hessian(loss, flat)
    gradient = torch.autograd.functional.jacobian(loss, flat)
    expected = flat * (hessian @ gradient)
    scores = SCORES.get("grasp", "score")(score_inputs(model, images, labels))
    flat_scores = torch.cat([scores[layer.name].flatten() for layer in layers])
    assert torch.allclose(flat_scores, expected, rtol=1e-8) and (flat_scores < 0).any() and (flat_scores > 0).any()
    magnitude = SCORES.get("grasp_magnitude", "score")(score_inputs(model, images, labels))
    assert all(torch.equal(magnitude[name], scores[name].abs()) for name in scores)


def test_grasp_of_a_network_with_attention_is_that_of_differences_of_its_gradient() -> None:
    torch.manual_seed(0)
    model = Transformer(tokens=5, outputs=5, context=3, depth=1, width=8, heads=2).double()
    tokens = torch.randint(5, (30, 3), generator=rng(2))
    given = score_inputs(model, tokens, tokens[:, 0])
    weights = given.leaves()

    def gradients(shift: float, direction: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        moved = {name: x.detach() + shift * y for (name, x), y in zip(weights.items(), direction, strict=True)}
        leaves = {name: x.requires_grad_() for name, x in moved.items()}
        return torch.autograd.grad(given.required_network().loss(leaves, 200.0), list(leaves.values()))

    gradient = gradients(0.0, tuple(torch.zeros_like(x) for x in weights.values()))
    ahead, behind = (gradients(shift, gradient) for shift in (1e-3, -1e-3))
    scores = SCORES.get("grasp", "score")(given)
    for (name, weight), x, y in zip(weights.items(), ahead, behind, strict=True):
        expected = weight.detach() * (x - y) / 2e-3
        assert torch.allclose(scores[name], expected, rtol=1e-4, atol=1e-12) and scores[name].any()


def test_grasp_prunes_the_highest_of_the_papers_score(scored_model: tuple) -> None:
    model, images, labels = scored_model
    given = score_inputs(model, images, labels)
    after = prune_to(resolve(model, Pruning(score="grasp", scope="global"), 1), {"": 15}, given)
    papers = {name: -score for name, score in SCORES.get("grasp", "score")(given).items()}
    gone = torch.cat([papers[name][~after[name]] for name in after])
    stays = torch.cat([papers[name][after[name]] for name in after])
    assert len(gone) == 6 and gone.min() >= stays.max()


def test_synflow_is_the_product_of_the_magnitudes_and_is_conserved() -> None:
    """Tanaka et al. 2020, theorem 1: without biases every layer's scores have one sum, that of the flow itself."""
    model = nn.Sequential(nn.Flatten(), *(nn.Linear(a, b, bias=False) for a, b in ((4, 5), (5, 6), (6, 3))))
    model.load_state_dict(initialize(model, "glorot_normal", 0))
    scores = SCORES.get("synflow", "score")(
        score_inputs(model, torch.zeros(1, 1, 1, 4), torch.zeros(1, dtype=torch.long))
    )
    first, second, third = (weight.detach().double().abs() for weight in model.parameters())
    flow = (third @ second @ first @ torch.ones(4, dtype=torch.float64)).sum()
    assert all(torch.allclose(score.sum(), flow) and score.dtype == torch.float64 for score in scores.values())
    expected = (second * (first.sum(1))[None]) * (third.sum(0))[:, None]  # of the middle layer, written out
    assert torch.allclose(scores["2.weight"], expected)


def test_synflow_of_tokens_takes_each_of_them_once() -> None:
    model = ModularMlp(tokens=4, outputs=3, embedding=5, width=6)
    mask = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in model.named_parameters()}
    inputs = score_inputs(model, torch.tensor([[0, 3]]), torch.zeros(1, dtype=torch.long), mask)
    scores = SCORES.get("synflow", "score")(inputs)
    tokens, hidden, back, output = (weight.double().abs() for weight in inputs.weights.values())
    flow = (output @ back @ hidden @ (2 * tokens).sum(0)).sum()  # each of the 4 tokens at both places
    assert all(torch.allclose(score.sum(), flow) for score in scores.values())
    assert (scores["tokens.weight"] > 0).all()


def test_synflow_sees_no_data_and_takes_100_steps_so_that_no_layer_is_cut_off(scored_model: tuple) -> None:
    """One step at 2% of the weights cuts a layer off; the iterative algorithm does not (section 5 of the paper)."""
    model = mlp((1, 6, 6), 3, (40, 40, 40))
    model.load_state_dict(initialize(model, "glorot_normal", 0))
    left = {}
    for steps in (1, None):
        pruning = resolve(model, Pruning(score="synflow", scope="global", steps=steps), 1)
        for images in (torch.zeros(2, 1, 6, 6), torch.randn(5, 1, 6, 6)):
            inputs = score_inputs(model, images, torch.zeros(len(images), dtype=torch.long))
            after = prune_to(pruning, {"": 20}, inputs)
            assert left.setdefault(steps, kept(after)) == kept(after) and sum(kept(after).values()) == 20
    assert min(left[1].values()) == 0 < min(left[None].values())


@pytest.mark.parametrize("name", OF_NETWORK)
def test_a_score_of_the_network_leaves_it_as_it_was(
    make_rich_network: Callable[[], nn.Module], half_mask: Callable[[nn.Module], dict], name: str
) -> None:
    """With BatchNorm and dropout; twice the same; pruned weights have the score 0, whatever they are."""
    model = make_rich_network().train()
    images, labels = torch.randn(30, 1, 6, 6, generator=rng(0)), torch.randint(3, (30,), generator=rng(1))
    mask = half_mask(model)
    before, modes = digest(model.state_dict()), [module.training for module in model.modules()]
    first = SCORES.get(name, "score")(score_inputs(model, images, labels, mask))
    torch.rand(3)
    assert digest(SCORES.get(name, "score")(score_inputs(model, images, labels, mask))) == digest(first)
    assert digest(model.state_dict()) == before and [x.training for x in model.modules()] == modes
    assert all(parameter.grad is None for parameter in model.parameters())
    for layer, score in first.items():
        assert score.isfinite().all() and not score[~mask[layer]].any() and score[mask[layer]].any()
        assert score.shape == mask[layer].shape and not score.requires_grad


def test_a_layer_that_plays_no_part_is_named() -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.used(x.flatten(1))

    with pytest.raises(LotteryError, match=r"idle\.weight has no gradient: .* add it to pruning\.exclude"):
        SCORES.get("snip", "score")(score_inputs(Idle(), torch.randn(5, 1, 1, 4), torch.zeros(5, dtype=torch.long)))


def test_scoring_examples_are_so_many_of_each_class_of_the_training_split_alone(data: Data) -> None:
    chosen = scoring_examples(data.train, 4)
    assert chosen.labels.bincount().tolist() == [4, 4, 4]
    training = {digest({"": image}) for image in data.train.images}
    assert {digest({"": image}) for image in chosen.images} <= training
    again = scoring_examples(data.train, 4)
    assert torch.equal(again.images, chosen.images) and len(scoring_examples(data.train, 10**6)) == len(data.train)
