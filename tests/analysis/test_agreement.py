"""Agreement against numbers worked out by hand; an ensemble of equals is one of them."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from lth.analysis.agreement import (
    Spread,
    agreement,
    disagreement,
    ensemble_accuracy,
    holding,
    logits_of,
    predictions,
    spread,
    symmetric_kl,
)
from lth.core.errors import LotteryError
from lth.core.rng import rng
from lth.core.weights import Mask, clone, digest, load
from lth.data.tensors import Data, Split
from lth.models.initialize import initialize
from lth.training.evaluate import evaluate


def logits_with(*probabilities: list[float]) -> torch.Tensor:
    return torch.tensor(probabilities, dtype=torch.float64).log() + 4  # a constant does not matter


def test_disagreement_counts_other_answers_whether_from_logits_or_predictions() -> None:
    first, second = torch.tensor([0, 1, 2, 2]), torch.tensor([0, 2, 2, 1])
    assert disagreement(first, second) == 0.5 == disagreement(second, first)
    assert disagreement(first, first) == 0
    one_hot = nn.functional.one_hot(first, 3).float()
    assert disagreement(one_hot, second) == 0.5 and torch.equal(predictions(one_hot), first)
    with pytest.raises(LotteryError, match="4 and 3 examples"):
        disagreement(first, second[:3])


def test_symmetric_kl_by_hand() -> None:
    p, q = [0.5, 0.5], [0.9, 0.1]
    forward = sum(x * math.log(x / y) for x, y in zip(p, q, strict=True))
    backward = sum(y * math.log(y / x) for x, y in zip(p, q, strict=True))
    measured = symmetric_kl(logits_with(p, p), logits_with(q, p))  # the second example agrees
    assert measured == pytest.approx((forward + backward) / 2 / 2, rel=1e-12)
    assert symmetric_kl(logits_with(q, p), logits_with(p, p)) == measured
    assert symmetric_kl(logits_with(p, q), logits_with(p, q)) == 0


def test_symmetric_kl_of_certain_networks_is_finite() -> None:
    sure = torch.tensor([[200.0, -200.0]])
    assert symmetric_kl(sure, -sure) == pytest.approx(400)


def test_an_ensemble_means_probabilities_not_votes() -> None:
    logits = [logits_with([0.9, 0.1]), logits_with([0.4, 0.6]), logits_with([0.4, 0.6])]
    assert ensemble_accuracy(logits, torch.tensor([0])) == 1 and ensemble_accuracy(logits[1:], torch.tensor([0])) == 0


def test_an_ensemble_of_equals_is_the_one(data: Data, make_network: Callable[[], nn.Module]) -> None:
    model = make_network()
    logits = logits_of(model, initialize(model, "glorot_normal", 0), data.test)
    row = agreement([logits] * 5, data.test.labels, reference=logits)
    load(model, initialize(model, "glorot_normal", 0))
    assert row.ensemble == row.accuracy.mean == pytest.approx(evaluate(model, data.test).accuracy)
    assert row.disagreement == Spread(0, 0, 10) == row.kl and row.with_reference == Spread(0, 0, 5)


def test_all_pairs_are_looked_at() -> None:
    answers = [nn.functional.one_hot(torch.tensor(one), 2) * 50.0 for one in ([0, 0, 0, 0], [0, 0, 0, 1], [0, 1, 1, 1])]
    row = agreement(answers, torch.tensor([0, 0, 0, 1]), reference=answers[0])
    assert row.accuracy == Spread(pytest.approx((0.75 + 1 + 0.5) / 3), pytest.approx(0.25), 3)
    assert row.disagreement == Spread(0.5, pytest.approx(0.25), 3)  # 1/4, 3/4, 2/4
    assert row.with_reference == Spread(pytest.approx(1 / 3), pytest.approx(math.sqrt(42 / 288)), 3)
    assert row.ensemble == 1 and row.kl is not None and row.kl.mean == pytest.approx(25)


def test_one_network_has_no_pair_and_none_is_one_clear_line() -> None:
    row = agreement([torch.eye(2)], torch.tensor([0, 0]))
    assert (row.disagreement, row.kl, row.with_reference) == (None, None, None) and row.ensemble == 0.5
    assert row.accuracy == spread([0.5]) == Spread(0.5, None, 1)
    with pytest.raises(LotteryError, match="no network"):
        agreement([], torch.tensor([0]))


def test_logits_are_the_subnetworks_in_evaluation_mode_in_batches(
    make_rich_network: Callable[[], nn.Module], half_mask: Callable[[nn.Module], Mask]
) -> None:
    model = make_rich_network().train()
    state, mask = initialize(model, "glorot_normal", 3), half_mask(model)
    split = Split(torch.randn(1_037, 1, 6, 6, generator=rng(0)), torch.zeros(1_037, dtype=torch.int64))
    logits = logits_of(model, state, split, mask)
    load(model, state, mask)
    assert logits.shape == (1_037, 3) and torch.allclose(logits, model.eval()(split.images), atol=1e-6)
    assert not logits.requires_grad


def test_a_measurement_changes_nothing(
    used_network: nn.Module, unchanged: Callable[..., Any], half_mask: Callable[[nn.Module], Mask], data: Data
) -> None:
    state, mask = initialize(used_network, "glorot_normal", 0), half_mask(used_network)
    with unchanged(used_network, state, mask):
        logits_of(used_network, state, data.test, mask)
    with unchanged(used_network, state), pytest.raises(KeyError), holding(used_network, state):
        used_network.eval()(data.test.images)
        raise KeyError


def test_a_tensor_of_two_names_is_put_back(data: Data) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 36), nn.Linear(36, 36))
    model[2].weight = model[1].weight
    before, mask = digest(model.state_dict()), {"1.weight": torch.zeros(36, 36, dtype=torch.bool)}
    state = clone(model.state_dict())
    assert torch.equal(logits_of(model, state, data.test, mask), model[2].bias.expand(37, 36))
    assert digest(model.state_dict()) == before and model[2].weight is model[1].weight


def test_another_networks_state_is_one_clear_line(make_network: Callable[[], nn.Module], data: Data) -> None:
    model = make_network()
    state = initialize(model, "glorot_normal", 0)
    with pytest.raises(LotteryError, match=r"fc1.weight is \(3,\) in a state"):
        logits_of(model, state | {"fc1.weight": torch.zeros(3)}, data.test)


def test_an_ensemble_with_an_output_that_is_no_number_is_wrong_there() -> None:
    logits = torch.tensor([[2.0, 1.0], [torch.nan, 1.0], [0.0, 1.0]])
    assert ensemble_accuracy([logits, logits], torch.tensor([0, 0, 1])) == 2 / 3
    assert predictions(logits).tolist() == [0, -1, 1]
