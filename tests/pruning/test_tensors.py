"""Masks of bare tensors: the weights that `torch.nn.utils.prune` chooses, and one line for each bad amount or shape."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

from lth.core.errors import LotteryError, SettingError
from lth.core.rng import rng
from lth.models.lenet import lenet5
from lth.pruning import tensors
from lth.pruning.mask import prunable

SHAPE = (6, 4, 3, 3)  # 216 weights
WEIGHT = torch.randn(SHAPE, generator=rng(5))


def theirs(how: str, *amounts: float, **more: object) -> torch.Tensor:
    """The mask after torch pruned a convolution of WEIGHT by `amounts`, one after the other."""
    module = nn.Conv2d(4, 6, 3)
    module.weight.data.copy_(WEIGHT)
    for amount in amounts:
        getattr(prune, how)(module, "weight", amount=amount, **more)
    return module.weight_mask.bool()


AMOUNTS = [0, 7, 100, 0.0, 0.2, 0.5, 0.123, (0.3, 0.4), (20, 0.5, 3)]


@pytest.mark.parametrize("amounts", AMOUNTS)
def test_l1_unstructured_chooses_the_same_weights(amounts: float | tuple) -> None:
    steps, mask = amounts if isinstance(amounts, tuple) else (amounts,), None
    for amount in steps:
        mask = tensors.l1_unstructured(WEIGHT, amount, mask)
    assert torch.equal(mask, theirs("l1_unstructured", *steps))


@pytest.mark.parametrize("n", [1, 2, 3.5, math.inf, "fro"])
@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("amounts", [1, 0.5, (1, 0.5), 0])
def test_ln_structured_chooses_the_same_slices(amounts: float | tuple, dim: int, n: float | str) -> None:
    steps, mask = amounts if isinstance(amounts, tuple) else (amounts,), None
    for amount in steps:
        mask = tensors.ln_structured(WEIGHT, amount, n, dim, mask)
    known = 2 if n == "fro" else n  # torch has no Frobenius norm over three dimensions
    assert torch.equal(mask, theirs("ln_structured", *steps, n=known, dim=dim))


@given(st.floats(0, 0.9), st.integers(0, 9), st.integers(-2, 1))
def test_random_ones_remove_as_many_as_torch_and_are_drawn_by_their_generator(
    amount: float, seed: int, dim: int
) -> None:
    single = tensors.random_unstructured(WEIGHT, amount, rng(seed))
    assert int(single.sum()) == int(theirs("random_unstructured", amount).sum())
    if round(amount * SHAPE[dim]) < SHAPE[dim]:
        slices = tensors.random_structured(WEIGHT, amount, dim, rng(seed))
        assert int(slices.sum()) == int(theirs("random_structured", amount, dim=dim).sum())
        moved = slices.movedim(dim, 0).flatten(1)
        assert torch.equal(moved.any(1), moved.all(1))
    both = tensors.global_unstructured({"a": WEIGHT, "b": WEIGHT}, amount, generator=rng(seed))
    assert sum(int(kept.sum()) for kept in both.values()) == 432 - round(amount * 432)
    again = tensors.random_unstructured(WEIGHT, amount, rng(seed))
    assert torch.equal(single, again)
    assert not torch.equal(
        tensors.random_unstructured(WEIGHT, 100, rng(1)), tensors.random_unstructured(WEIGHT, 100, rng(2))
    )


@pytest.mark.parametrize("amount", [0.2, 0.777, 5_000])
def test_global_unstructured_chooses_the_same_weights_of_all_layers(amount: float) -> None:
    model = lenet5((1, 32, 32), 10)
    weights = {layer.name: model.get_parameter(layer.name).detach().clone() for layer in prunable(model)}
    pruned = tensors.global_unstructured(weights, amount)
    modules = [(model.get_submodule(name.removesuffix(".weight")), "weight") for name in weights]
    prune.global_unstructured(modules, prune.L1Unstructured, amount=amount)
    for (module, _), mask in zip(modules, pruned.values(), strict=True):
        assert torch.equal(mask, module.weight_mask.bool())


def test_a_fifth_of_lenet5_on_32x32_is_12294_of_61470_weights() -> None:
    model = lenet5((1, 32, 32), 10)
    weights = {layer.name: model.get_parameter(layer.name) for layer in prunable(model)}
    assert sum(weight.numel() for weight in weights.values()) == 61_470
    assert sum(int((~kept).sum()) for kept in tensors.global_unstructured(weights, 0.2).values()) == 12_294


def test_scores_take_the_place_of_magnitudes() -> None:
    scores = -WEIGHT
    assert torch.equal(
        tensors.l1_unstructured(WEIGHT, 50, importance_scores=scores),
        theirs("l1_unstructured", 50, importance_scores=scores),
    )
    scored = scores + 9  # torch takes the norm of the scores, of whichever sign
    assert torch.equal(
        tensors.ln_structured(WEIGHT, 2, 1, 0, importance_scores=scored),
        theirs("ln_structured", 2, n=1, dim=0, importance_scores=scored),
    )
    before, given = WEIGHT > 0, torch.randn(SHAPE, generator=rng(6))  # the scores at pruned places count too
    module = nn.Conv2d(4, 6, 3)
    prune.custom_from_mask(module, "weight", before)
    prune.ln_structured(module, "weight", 3, n=2, dim=0, importance_scores=given)
    mask = tensors.ln_structured(WEIGHT, 3, 2, 0, before, given)
    assert torch.equal(mask, module.weight_mask.bool())
    assert not torch.equal(mask, tensors.ln_structured(WEIGHT, 3, 2, 0, before, given * before))
    both = tensors.global_unstructured({"a": WEIGHT, "b": WEIGHT}, 200, importance_scores={"b": WEIGHT.abs() + 9})
    assert int(both["a"].sum()) == 16 and both["b"].all()


def test_custom_from_mask_is_the_mask_within_the_one_before() -> None:
    given, before = WEIGHT > 0, WEIGHT < 1
    assert torch.equal(tensors.custom_from_mask(WEIGHT, given.float()), theirs_custom(given))
    assert torch.equal(tensors.custom_from_mask(WEIGHT, given, before), given & before)


def theirs_custom(mask: torch.Tensor) -> torch.Tensor:
    module = nn.Conv2d(4, 6, 3)
    return prune.custom_from_mask(module, "weight", mask).weight_mask.bool()


@pytest.mark.parametrize("dim", [0, 1])
def test_n_of_m_keeps_the_n_largest_of_every_m(dim: int) -> None:
    weight = torch.randn(8, 12, generator=rng(1))
    mask = tensors.n_of_m(weight, 2, 4, dim)
    blocks, kept = ((x if dim else x.T).reshape(-1, 4) for x in (weight.abs(), mask))
    assert (kept.sum(1) == 2).all()
    assert all(row[~stays].max() <= row[stays].min() for row, stays in zip(blocks, kept, strict=True))
    assert int(tensors.n_of_m(WEIGHT, 1, 2).sum()) == 108 and (tensors.n_of_m(WEIGHT, 1, 2).sum(1) == 2).all()


def test_tensors_and_masks_are_left_as_they_are() -> None:
    weight, mask = WEIGHT.clone().requires_grad_(), torch.ones(SHAPE, dtype=torch.bool)
    for pruned in (
        tensors.l1_unstructured(weight, 0.5, mask),
        tensors.ln_structured(weight, 0.5, 2, 0, mask),
        tensors.n_of_m(weight, 1, 2, 1, mask),
        tensors.global_unstructured({"w": weight}, 0.5, {"w": mask})["w"],
    ):
        assert pruned.dtype == torch.bool and int(pruned.sum()) == 108
        pruned.zero_()
    assert torch.equal(weight, WEIGHT) and mask.all()


@pytest.mark.parametrize(
    ("amount", "problem"),
    [
        (-0.1, "amount=-0.1: must be a fraction of 0 to 1"),
        (1.1, "amount=1.1: must be a fraction"),
        (float("nan"), "amount=nan: must be a fraction"),
        ("0.5", r"amount=0\.5: must be a fraction"),
        (np.int64(217), "amount=217: must be a count of 0 to"),
        (-1, "amount=-1: must be a count of 0 to"),
        (217, "amount=217: must be a count of 0 to"),
        (1.0, "amount=1.0: would remove all"),
        (0.999, "amount=0.999: would remove all"),
    ],
)
def test_a_bad_amount_is_one_line(amount: float, problem: str) -> None:
    for call in (
        lambda: tensors.l1_unstructured(WEIGHT[:, :1, 0, 0], amount),
        lambda: tensors.random_unstructured(WEIGHT[:, :1, 0, 0], amount, rng(0)),
        lambda: tensors.ln_structured(WEIGHT, amount, 2, 0),
        lambda: tensors.random_structured(WEIGHT, amount, 1, rng(0)),
        lambda: tensors.global_unstructured({"w": WEIGHT[0, 0, 0]}, amount),
    ):
        with pytest.raises(SettingError, match=problem) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_what_does_not_fit_is_one_line() -> None:
    cases = [
        (lambda: tensors.ln_structured(WEIGHT, 1, 2, 4), "dim=4: is none of a tensor of 4 dimensions"),
        (lambda: tensors.ln_structured(WEIGHT[0, 0, 0], 1, 2, 0), "dim=0: slices need two dimensions"),
        (lambda: tensors.ln_structured(WEIGHT, 1, 0, 0), "n=0: must be a number above 0"),
        (lambda: tensors.ln_structured(WEIGHT, 1, "nuc", 0), "n=nuc: must be a number above 0"),
        (lambda: tensors.n_of_m(WEIGHT, 2, 3), "m=3: does not divide the width 4"),
        (lambda: tensors.n_of_m(WEIGHT, 4, 4), "n=4: must be at least 1 and below m=4"),
        (lambda: tensors.l1_unstructured(WEIGHT, 1, WEIGHT[0] > 0), r"the mask is \(4, 3, 3\), its tensor"),
        (lambda: tensors.l1_unstructured(WEIGHT, 1, WEIGHT), "other values than zeros and ones"),
        (lambda: tensors.l1_unstructured(WEIGHT, 1, importance_scores=WEIGHT[0]), "the scores are"),
        (lambda: tensors.custom_from_mask(WEIGHT, WEIGHT * 0), "layer collapse: the mask keeps none of the 216"),
        (lambda: tensors.global_unstructured({"a": WEIGHT, "b": WEIGHT * 0}, 216), "layer collapse: .* left of b"),
        (lambda: tensors.global_unstructured({"a": WEIGHT}, 1, {"c": WEIGHT > 0}), "for c, and no tensor of that name"),
    ]
    for call, problem in cases:
        with pytest.raises(LotteryError, match=problem):
            call()
