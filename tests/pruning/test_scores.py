"""Every score gives a finite number for each weight, and changes nothing."""

import pytest
import torch

from lth.core.rng import rng
from lth.core.weights import clone, digest
from lth.pruning.scores import SCORES, magnitude, random

WEIGHTS = {"a": torch.tensor([[-2.0, 1.0], [0.0, -0.5]]), "b": torch.randn(3, 2, 2, 2, generator=rng(0))}


@pytest.mark.parametrize("name", SCORES)
def test_a_score_has_a_finite_number_for_each_weight(name: str) -> None:
    before = digest(WEIGHTS)
    scores = SCORES[name](WEIGHTS, rng(0))
    assert {key: score.shape for key, score in scores.items()} == {key: x.shape for key, x in WEIGHTS.items()}
    assert all(bool(score.isfinite().all()) for score in scores.values()) and digest(WEIGHTS) == before


@pytest.mark.parametrize("name", SCORES)
def test_a_score_depends_on_its_weights_and_generator_alone(name: str) -> None:
    first = SCORES[name](WEIGHTS, rng(0, "score", 1))
    torch.rand(3)
    assert digest(SCORES[name](clone(WEIGHTS), rng(0, "score", 1))) == digest(first)


def test_magnitude_is_the_absolute_value() -> None:
    assert magnitude(WEIGHTS, rng(0))["a"].tolist() == [[2.0, 1.0], [0.0, 0.5]]


def test_random_draws_again_for_another_address() -> None:
    assert not torch.equal(random(WEIGHTS, rng(0, 1))["b"], random(WEIGHTS, rng(0, 2))["b"])
    assert digest(random({name: -x for name, x in WEIGHTS.items()}, rng(0))) == digest(random(WEIGHTS, rng(0)))
